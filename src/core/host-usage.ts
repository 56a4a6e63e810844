/** How much of the machine is in use, whoever uses it, in percent. */
export interface HostUsage {
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  readonly diskPercent: number;
}

/** Counters of the machine at one moment. */
export interface HostReading {
  /** Time that all processors have spent, in any one unit, since the machine began. */
  readonly cpu: { readonly total: number; readonly idle: number };
  /** Bytes; what can be had without swapping is available. */
  readonly memory: { readonly total: number; readonly available: number };
  /** Blocks of the root file system: in use, and left for ordinary users. */
  readonly disk: { readonly used: number; readonly available: number };
}

/** Reads the machine's counters without holding the event loop up. Lent by the platform, faked in tests. */
export type ReadHost = () => Promise<HostReading>;
