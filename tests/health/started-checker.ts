import { createChecker, type Finding } from "../../src/health/checker.ts";
import type { Health } from "../../src/health/health.ts";
import { createTestClock, settle } from "../support/clock.ts";

/** A probe that passed. */
export const pass: Finding = { verdict: "pass", reason: "fine" };
/** One that failed. */
export const fail: Finding = { verdict: "fail", reason: "broken" };
/** One whose engine says that it is dead. */
export const dead: Finding = { verdict: "dead", reason: "dead" };

/** A probe that ends only when it is told to. */
export const never = async (signal: AbortSignal): Promise<Finding> => {
  const { promise, reject } = Promise.withResolvers<Finding>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return promise;
};

interface Setting {
  readonly keys?: readonly string[];
  readonly intervalMs?: number;
  readonly isBusy?: () => boolean;
  readonly random?: () => number;
  readonly states?: Map<string, Health>;
  readonly thresholds?: { readonly fall: number; readonly rise: number };
  readonly returnedAt?: () => number | undefined;
}

/** A checker over probes that a test answers by hand; every first probe comes at once unless `random` says otherwise. */
export const start = ({
  keys = ["a"],
  intervalMs = 5000,
  isBusy,
  random,
  states,
  ...given
}: Setting = {}) => {
  const clock = createTestClock();
  let targets = keys.map((key) => ({ key }));
  const probes: { readonly key: string; readonly at: number }[] = [];
  const changes: string[] = [];
  const changedAt: number[] = [];
  let answer: (key: string, signal: AbortSignal) => Promise<Finding> = async () => pass;
  let aborted = 0;
  const known = states ?? new Map<string, Health>();
  const checker = createChecker(
    {
      targets: () => targets,
      probe: async ({ key }, signal) => {
        probes.push({ key, at: clock.monotonic() });
        signal.addEventListener("abort", () => (aborted += 1));
        return answer(key, signal);
      },
      isBusy: async () => isBusy?.() ?? false,
      intervalMs,
      timeoutMs: 2000,
      thresholds: given.thresholds ?? { fall: 3, rise: 2 },
      returnedAt: given.returnedAt,
      states: known,
      onChange: ({ key }, isUp, reason) => {
        changes.push(`${key} ${isUp ? "up" : "down"}: ${reason}`);
        changedAt.push(clock.monotonic());
      },
    },
    // 0.5 is no jitter, but for the first probes, which it puts in the middle of their spread.
    { clock, random: random ?? (() => 0.5) },
  );
  const pass100ms = async (): Promise<void> => {
    clock.advance(100);
    await settle();
  };
  return {
    checker,
    clock,
    probes,
    changes,
    changedAt,
    states: known,
    aborted: () => aborted,
    answer: (how: typeof answer) => (answer = how),
    retarget: (...found: readonly string[]) => (targets = found.map((key) => ({ key }))),
    /** Lets time go by in steps that leave promises room. */
    live: async (seconds: number): Promise<void> => {
      clock.advance(0);
      await settle();
      for (let step = 0; step < seconds * 10; step += 1) await pass100ms();
    },
  };
};

/** When each of the probes began. */
export const times = (probes: readonly { readonly at: number }[]): number[] => probes.map(({ at }) => at);
