import type { Clock } from "../core/clock.ts";
import { reasonOf, RouterError } from "../core/errors.ts";

/** How long somebody waits. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** Ends the wait, and is why. */
  readonly signal: AbortSignal;
  /** Goes to the front: whoever had their turn and was overtaken on the way. */
  readonly isAgain?: boolean;
}

/** Those who wait for what others give back, in the order in which they came. */
export interface Queue {
  readonly depth: () => number;
  /** What `take` gives when it is this one's turn. Throws `queue_timeout`, why the signal aborted, or what `take` throws. */
  readonly wait: <Thing>(take: () => Thing | undefined, options: WaitOptions) => Promise<Thing>;
  /** Something may have been given back: everybody looks, those who came first before the others. */
  readonly advance: () => void;
}

/** What nobody gives back, such as an engine that is well again, is looked for so often. */
const LOOK_MS = 1000;

/** An empty queue. */
export const createQueue = ({ clock }: { readonly clock: Clock }): Queue => {
  const waiting: (() => void)[] = [];
  let timer: Disposable | undefined;

  const advance = (): void => {
    for (const look of waiting.slice()) look();
  };
  const schedule = (): void => {
    timer ??= clock.after(LOOK_MS, () => {
      timer = undefined;
      advance();
      if (waiting.length > 0) schedule();
    });
  };
  const remove = (look: () => void): void => {
    const at = waiting.indexOf(look);
    if (at >= 0) waiting.splice(at, 1);
    if (waiting.length > 0) return;
    timer?.[Symbol.dispose]();
    timer = undefined;
  };

  const wait = async <Thing>(
    take: () => Thing | undefined,
    { timeoutMs, signal, isAgain = false }: WaitOptions,
  ): Promise<Thing> => {
    if (signal.aborted) throw reasonOf(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Thing>();
    // At once, and not when the promise is looked at: nothing must be taken for somebody who is gone.
    const drop = (error: unknown): void => {
      remove(look);
      reject(error);
    };
    const look = (): void => {
      try {
        const thing = take();
        if (thing === undefined) return;
        remove(look);
        resolve(thing);
      } catch (error) {
        drop(error);
      }
    };
    const leave = (): void => drop(reasonOf(signal));
    if (isAgain) waiting.unshift(look);
    else waiting.push(look);
    schedule();
    signal.addEventListener("abort", leave);
    using _deadline = clock.after(timeoutMs, () =>
      drop(
        new RouterError(
          "queue_timeout",
          `The request waited ${timeoutMs / 1000} s for its turn (--queue-timeout-seconds).`,
        ),
      ),
    );
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  };

  return { depth: () => waiting.length, wait, advance };
};
