import type { Clock } from "../../src/core/clock.ts";

/** A clock that only moves when told to. */
export interface ManualClock extends Clock {
  /** Moves on, running on the way whatever falls due, in order; lets promises settle in between. */
  readonly advance: (ms: number) => Promise<void>;
  /** Timers that have not fired. */
  readonly pending: () => number;
}

/** A clock that stands at `startMs` of both its times. */
export const createManualClock = (startMs = 0): ManualClock => {
  const timers = new Set<{ readonly dueMs: number; readonly task: () => void }>();
  let now = startMs;
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return {
    now: () => now,
    monotonic: () => now,
    after: (delayMs, task) => {
      const timer = { dueMs: now + delayMs, task };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    advance: async (ms) => {
      const target = now + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].sort((left, right) => left.dueMs - right.dueMs);
        if (!next || next.dueMs > target) break;
        timers.delete(next);
        now = Math.max(now, next.dueMs);
        next.task();
        await settle();
      }
      now = target;
    },
    pending: () => timers.size,
  };
};
