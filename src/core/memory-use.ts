/** Memory of a process and of what runs beside it under the same limit, in bytes. */
export interface MemoryUse {
  readonly used: number;
  readonly limit: number;
}

/** Reads it without holding the event loop up; `undefined` where nothing limits it. Lent by the platform. */
export type ReadMemory = () => Promise<MemoryUse | undefined>;
