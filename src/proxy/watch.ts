import { type Bagged, createBag } from "../core/bag.ts";
import type { Clock } from "../core/clock.ts";
import { MOST_LAG_MS } from "../health/lag.ts";

/** Something that is looked at; only the watch writes it once it is there. */
export interface Watched extends Bagged {
  /** Monotonic milliseconds at which it is to be looked at. */
  dueAt: number;
}

/** Looks at many things with one timer: each says when it wants to be looked at again. */
export interface Watch<Thing extends Watched> {
  /** Has it looked at when it is due until that is ended. Adding and ending cost no timer. */
  readonly add: (thing: Thing) => void;
  /** Has it looked at at this time if it would be later otherwise. */
  readonly by: (thing: Thing, dueAt: number) => void;
  readonly end: (thing: Thing) => void;
}

/** So much later than asked things may be looked at, so that many cost no more than a few. */
const GRAIN_MS = 50;

/**
 * Creates a watch that sleeps while there is nothing to look at. It calls `look` when a thing is due, or a little
 * later, and then each time at what that answered; Infinity is never. Where the event loop was held up, what came
 * meanwhile is read before.
 */
export const createWatch = <Thing extends Watched>(
  look: (thing: Thing, now: number) => number,
  { clock }: { readonly clock: Clock },
): Watch<Thing> => {
  const things = createBag<Thing>();
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
    for (const thing of things.all()) {
      // Another one's look has ended it.
      if (thing.place === undefined) continue;
      if (thing.dueAt <= now) thing.dueAt = look(thing, now);
      if (thing.dueAt < next) next = thing.dueAt;
    }
    sleepUntil(Math.max(next, now + GRAIN_MS));
  };

  const wakeBy = (at: number): void => {
    if (at < (timer?.at ?? Number.POSITIVE_INFINITY)) sleepUntil(at);
  };

  return {
    add: (thing) => {
      things.add(thing);
      wakeBy(thing.dueAt);
    },
    by: (thing, dueAt) => {
      if (dueAt >= thing.dueAt) return;
      thing.dueAt = dueAt;
      wakeBy(dueAt);
    },
    end: things.remove,
  };
};
