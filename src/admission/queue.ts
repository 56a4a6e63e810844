import type { Ending } from "../core/ending.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf, RouterError } from "../core/errors.ts";
import type { Line } from "./line.ts";

/** How long somebody waits. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** Ends the wait, and is why. */
  readonly signal: Ending;
  /** Goes to the front: whoever had their turn and was overtaken on the way. */
  readonly isAgain?: boolean;
}

/** Those who wait for what others give back, in the order in which they came. */
export interface Queue {
  readonly depth: () => number;
  /** Whether anybody waits, in whatever thread. */
  readonly isWaitedIn: () => boolean;
  /** What `take` gives when it is this one's turn. Throws `queue_timeout`, why the signal aborted, or what `take` throws. */
  readonly wait: <Thing>(take: () => Thing | undefined, options: WaitOptions) => Promise<Thing>;
  /** Something may have been given back: everybody looks, those who came first before the others. */
  readonly advance: () => void;
  /** Something was given back here. */
  readonly freed: () => void;
}

interface QueueDeps {
  readonly clock: Clock;
  /** Absent where nobody waits elsewhere for the same. */
  readonly line?: Line | undefined;
}

interface Waiting {
  readonly number: number;
  readonly look: () => void;
}

/** What nobody gives back, such as an engine that is well again, is looked for so often. */
const LOOK_MS = 1000;
/** Who came first elsewhere has so long to look: a thread that is held up, or waits for another engine, holds up nobody. */
const GRACE_MS = 5;

/** An empty queue. */
export const createQueue = ({ clock, line }: QueueDeps): Queue => {
  const waiting: Waiting[] = [];
  let timer: Disposable | undefined;
  let grace: Disposable | undefined;

  const lookAll = (): void => {
    for (const { look } of waiting.slice()) look();
  };
  const advance = (): void => {
    for (const { number, look } of waiting.slice()) {
      if (line?.isBehind(number)) {
        grace ??= clock.after(GRACE_MS, () => {
          grace = undefined;
          lookAll();
        });
        return;
      }
      look();
    }
  };
  const schedule = (): void => {
    timer ??= clock.after(LOOK_MS, () => {
      timer = undefined;
      lookAll();
      if (waiting.length > 0) schedule();
    });
  };
  const remove = (waiter: Waiting): void => {
    const at = waiting.indexOf(waiter);
    if (at >= 0) waiting.splice(at, 1);
    line?.lead(waiting[0]?.number);
    if (waiting.length > 0) return;
    timer?.[Symbol.dispose]();
    grace?.[Symbol.dispose]();
    timer = grace = undefined;
  };

  const wait = async <Thing>(
    take: () => Thing | undefined,
    { timeoutMs, signal, isAgain = false }: WaitOptions,
  ): Promise<Thing> => {
    if (signal.aborted) throw reasonOf(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Thing>();
    // At once, and not when the promise is looked at: nothing must be taken for somebody who is gone.
    const drop = (error: unknown): void => {
      remove(waiter);
      reject(error);
    };
    const look = (): void => {
      try {
        const thing = take();
        if (thing === undefined) return;
        remove(waiter);
        resolve(thing);
      } catch (error) {
        drop(error);
      }
    };
    const leave = (): void => drop(reasonOf(signal));
    const waiter: Waiting = { number: line?.number(isAgain) ?? 0, look };
    if (isAgain) waiting.unshift(waiter);
    else waiting.push(waiter);
    schedule();
    if (line) {
      line.lead(waiting[0]?.number);
      // What was given back before others knew of this one.
      advance();
    }
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

  return {
    depth: () => waiting.length,
    isWaitedIn: () => waiting.length > 0 || line?.isLong() === true,
    wait,
    advance,
    freed: () => {
      if (waiting.length > 0) advance();
      line?.freed();
    },
  };
};
