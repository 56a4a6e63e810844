import type { Clock } from "../core/clock.ts";

/** A limit in time that can be moved; disposing it lifts it. */
export interface Deadline extends Disposable {
  /** Aborts when the time is up, or when the outer signal does. */
  readonly signal: AbortSignal;
  readonly isOver: () => boolean;
  /** From now on `ms` are left. */
  readonly extend: (ms: number) => void;
}

/** Aborts after `ms` with an error that says `why`. Moving it costs no timer, so it may follow every chunk. */
export const createDeadline = (
  { ms, why, outer }: { readonly ms: number; readonly why: string; readonly outer: AbortSignal },
  clock: Clock,
): Deadline => {
  const over = new AbortController();
  let endsAt = clock.monotonic() + ms;
  let timerAt = endsAt;
  const look = (): void => {
    const left = endsAt - clock.monotonic();
    if (left <= 0) over.abort(new Error(why));
    else arm(left);
  };
  const arm = (left: number): void => {
    timerAt = clock.monotonic() + left;
    timer = clock.after(left, look);
  };
  let timer = clock.after(ms, look);
  return {
    signal: AbortSignal.any([outer, over.signal]),
    isOver: () => over.signal.aborted,
    extend: (left) => {
      endsAt = clock.monotonic() + left;
      if (endsAt >= timerAt) return;
      timer[Symbol.dispose]();
      arm(left);
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
};
