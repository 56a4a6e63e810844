import { escapeLine, type Log, type WriteLine } from "../core/log.ts";

/** What nobody caught: an unhandled rejection or a throw in a timer. The process goes on, and says so. */
export interface Faults {
  /** Logs a fault, but each distinct one only once. */
  readonly report: (error: unknown) => void;
  /** From now on faults go to this log instead of plain lines on stderr. */
  readonly logTo: (log: Log) => void;
  /** Each distinct fault is told to this one too, until the result is disposed. */
  readonly tell: (listener: (error: unknown) => void) => Disposable;
  /** Faults so far, repeated ones included. */
  readonly count: () => number;
}

/** Distinct faults that are remembered; further ones are counted, but not logged. */
const MAX_DISTINCT = 100;

/** Collects faults. */
export const createFaults = (write: WriteLine): Faults => {
  const seen = new Set<string>();
  const listeners = new Set<(error: unknown) => void>();
  let count = 0;
  let log = (message: string): void => write("stderr", `vllm-router: error: ${escapeLine(message)}\n`);
  return {
    report: (error) => {
      count += 1;
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      if (seen.has(message) || seen.size >= MAX_DISTINCT) return;
      seen.add(message);
      const details = error instanceof Error ? (error.stack ?? message) : message;
      log(`A defect of the router, which goes on (logged once): ${details}`);
      for (const listener of listeners) listener(error);
    },
    logTo: ({ error }) => {
      log = error;
    },
    tell: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    count: () => count,
  };
};
