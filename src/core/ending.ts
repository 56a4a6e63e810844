/** Whether something has ended before its time, and why: what of an `AbortSignal` is needed to follow it. */
export interface Ending {
  readonly aborted: boolean;
  readonly reason: unknown;
  readonly addEventListener: (type: "abort", listener: () => void) => void;
  readonly removeEventListener: (type: "abort", listener: () => void) => void;
}

/** What ends something. */
export interface Ender {
  readonly signal: Ending;
  /** Once more is nothing. */
  readonly abort: (reason: Error) => void;
}

/** Creates what an `AbortController` is, for what every request has: that of the runtime costs several times as much. */
export const createEnder = (): Ender => {
  let listeners: readonly (() => void)[] = [];
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_type: "abort", listener: () => void): void => {
      listeners = [...listeners, listener];
    },
    removeEventListener: (_type: "abort", listener: () => void): void => {
      listeners = listeners.filter((other) => other !== listener);
    },
  };
  return {
    signal,
    abort: (reason) => {
      if (signal.aborted) return;
      signal.aborted = true;
      signal.reason = reason;
      // One may remove another.
      for (const listener of listeners) if (listeners.includes(listener)) listener();
    },
  };
};

/** The runtime's own signal, for what takes nothing else. */
export const signalOf = (ending: Ending): AbortSignal => {
  const controller = new AbortController();
  const abort = (): void => controller.abort(ending.reason);
  if (ending.aborted) abort();
  else ending.addEventListener("abort", abort);
  return controller.signal;
};
