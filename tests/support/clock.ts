import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Moves both times on and runs what falls due on the way, in order and at its own time. */
  readonly advance: (byMs: number) => void;
  /** Moves both times on and runs nothing, as an event loop that is held up; what fell due runs late. */
  readonly stall: (byMs: number) => void;
  /** Milliseconds until each waiting task is due, soonest first. */
  readonly waiting: () => readonly number[];
}

interface Timer {
  readonly dueAt: number;
  readonly task: () => void;
}

/** Starts at the epoch time given, with the monotonic time at 0. */
export const createTestClock = (epochMs = 1_700_000_000_000): TestClock => {
  let monotonicMs = 0;
  let timers: readonly Timer[] = [];
  const remove = (timer: Timer): void => {
    timers = timers.filter((other) => other !== timer);
  };
  // Of tasks that are due at the same time the one that began to wait first goes first: sorting is stable.
  const soonestFirst = (): Timer[] => [...timers].sort((left, right) => left.dueAt - right.dueAt);

  return {
    now: () => epochMs + monotonicMs,
    monotonic: () => monotonicMs,
    after: (delayMs, task) => {
      const timer: Timer = { dueAt: monotonicMs + Math.max(0, delayMs), task };
      timers = [...timers, timer];
      return { [Symbol.dispose]: () => remove(timer) };
    },
    advance: (byMs) => {
      const end = monotonicMs + byMs;
      for (;;) {
        const [next] = soonestFirst();
        if (!next || next.dueAt > end) break;
        remove(next);
        monotonicMs = Math.max(monotonicMs, next.dueAt);
        next.task();
      }
      monotonicMs = Math.max(monotonicMs, end);
    },
    stall: (byMs) => {
      monotonicMs += byMs;
    },
    waiting: () => soonestFirst().map(({ dueAt }) => dueAt - monotonicMs),
  };
};

/** Resolves when every promise that can settle without time, timers or sockets has settled. */
export const settle = async (): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await promise;
};
