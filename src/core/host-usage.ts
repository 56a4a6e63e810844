/** How much of the machine is in use, whoever uses it, in percent, and what of it is this process. */
export interface HostUsage {
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  readonly diskPercent: number;
  readonly process: ProcessUsage;
}

/** What this process uses; absent is what the system does not tell. */
export interface ProcessUsage {
  /** Since the process began. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly virtualBytes?: number | undefined;
  readonly openDescriptors?: number | undefined;
  readonly maxDescriptors?: number | undefined;
  /** Seconds since the epoch. */
  readonly startedAt: number;
}

/** Counters of the machine at one moment. */
export interface HostReading {
  /** Time that all processors have spent, in any one unit, since the machine began. */
  readonly cpu: { readonly total: number; readonly idle: number };
  /** Bytes; what can be had without swapping is available. */
  readonly memory: { readonly total: number; readonly available: number };
  /** Blocks of the root file system: in use, and left for ordinary users. */
  readonly disk: { readonly used: number; readonly available: number };
  readonly process: ProcessUsage;
}

/** Reads the machine's counters without holding the event loop up. Lent by the platform, faked in tests. */
export type ReadHost = () => Promise<HostReading>;
