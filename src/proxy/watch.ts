import { type Bagged, createBag } from "../core/bag.ts";
import type { Clock } from "../core/clock.ts";
import { MOST_LAG_MS } from "../health/lag.ts";

/** Looks at many things with one timer: each says when it wants to be looked at again. */
export interface Watch {
  /**
   * Calls `look` at the monotonic time given, or a little later, and then each time at what it answered; Infinity
   * is never. Where the event loop was held up, what came meanwhile is read before. Adding and ending cost no timer.
   */
  readonly add: (dueAt: number, look: (now: number) => number) => Watching;
}

/** Something that is looked at until that is ended; no Disposable, which every request would pay for. */
export interface Watching {
  /** Has it looked at at this time if it would be later otherwise. */
  readonly by: (dueAt: number) => void;
  readonly end: () => void;
}

interface Entry extends Bagged {
  dueAt: number;
  readonly look: (now: number) => number;
}

/** So much later than asked things may be looked at, so that many cost no more than a few. */
const GRAIN_MS = 50;

/** Creates a watch that sleeps while there is nothing to look at. */
export const createWatch = ({ clock }: { readonly clock: Clock }): Watch => {
  const entries = createBag<Entry>();
  let timer: { readonly at: number; readonly handle: Disposable } | undefined;
  let isPutOff = false;

  const sleepUntil = (at: number): void => {
    timer?.handle[Symbol.dispose]();
    timer = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    timer = { at, handle: clock.after(Math.max(0, at - clock.monotonic()), wake) };
  };

  const wake = (): void => {
    const now = clock.monotonic();
    // Timers run before what has come is read; once, since a loop may lag for good.
    isPutOff = !isPutOff && timer !== undefined && now - timer.at > MOST_LAG_MS;
    if (isPutOff) {
      sleepUntil(now + MOST_LAG_MS);
      return;
    }
    let next = Number.POSITIVE_INFINITY;
    for (const entry of entries.all()) {
      // Another one's look has ended it.
      if (entry.place === undefined) continue;
      if (entry.dueAt <= now) entry.dueAt = entry.look(now);
      if (entry.dueAt < next) next = entry.dueAt;
    }
    sleepUntil(Math.max(next, now + GRAIN_MS));
  };

  const wakeBy = (at: number): void => {
    if (at < (timer?.at ?? Number.POSITIVE_INFINITY)) sleepUntil(at);
  };

  return {
    add: (dueAt, look) => {
      const entry: Entry = { dueAt, look, place: undefined };
      entries.add(entry);
      wakeBy(dueAt);
      return {
        by: (at) => {
          if (at >= entry.dueAt) return;
          entry.dueAt = at;
          wakeBy(at);
        },
        end: () => entries.remove(entry),
      };
    },
  };
};
