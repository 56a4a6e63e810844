/** The only door to time: loops and deadlines are lent one, tests lend one that they move by hand. */
export interface Clock {
  /** Wall clock in milliseconds since the epoch: for log lines and `created` fields, never for deadlines. */
  readonly now: () => number;
  /** Monotonic milliseconds from an arbitrary origin: for durations and deadlines. */
  readonly monotonic: () => number;
  /** Runs `task` once after `delayMs`; disposing the result cancels it. Does not keep the process alive. */
  readonly after: (delayMs: number, task: () => void) => Disposable;
}
