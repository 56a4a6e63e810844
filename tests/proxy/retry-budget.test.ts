import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createRetryBudget, RETRY_LIMITS } from "../../src/proxy/retry-budget.ts";

const takeAll = (take: () => Disposable | undefined): Disposable[] => {
  const permits: Disposable[] = [];
  for (let permit = take(); permit && permits.length < 1000; permit = take()) permits.push(permit);
  return permits;
};

describe("the budget of further attempts", () => {
  test("lets three be under way at once, or a fifth of the requests in flight where that is more", () => {
    for (const [inFlight, allowed] of [
      [0, 3],
      [15, 3],
      [20, 4],
      [45, 9],
    ] as const) {
      const budget = createRetryBudget();
      const permits = takeAll(() => budget.take(0, inFlight));
      expect(permits).toHaveLength(allowed);
      permits[0]?.[Symbol.dispose]();
      permits[0]?.[Symbol.dispose]();
      expect(takeAll(() => budget.take(0, inFlight))).toHaveLength(1);
    }
  });

  test("lets one a second go over ten seconds, or a tenth of the requests where that is more", () => {
    for (const [requests, allowed] of [
      [0, 10],
      [100, 10],
      [250, 25],
    ] as const) {
      const budget = createRetryBudget();
      for (let request = 0; request < requests; request += 1) budget.arrived(0);
      expect(takeAll(() => budget.take(0, 10_000))).toHaveLength(allowed);
      expect(budget.take(9_000, 10_000)).toBeUndefined();
      expect(budget.take(10_500, 10_000)).toBeDefined();
    }
  });

  test("holds both of its limits, whatever the order of things", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("arrive" as const), count: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ kind: fc.constant("take" as const), inFlight: fc.nat({ max: 200 }) }),
      fc.record({ kind: fc.constant("give back" as const), which: fc.nat({ max: 30 }) }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 4000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const budget = createRetryBudget();
        let now = 0;
        const arrivals: number[] = [];
        const taken: number[] = [];
        const held: Disposable[] = [];
        const within = (times: readonly number[], ms: number) => times.filter((at) => at > now - ms).length;
        for (const each of steps) {
          if (each.kind === "wait") now += each.ms;
          else if (each.kind === "give back") held.splice(each.which, 1)[0]?.[Symbol.dispose]();
          else if (each.kind === "arrive")
            for (let count = 0; count < each.count; count += 1) {
              arrivals.push(now);
              budget.arrived(now);
            }
          else {
            const { windowMs } = RETRY_LIMITS;
            const permit = budget.take(now, each.inFlight);
            const mostAtOnce = Math.max(3, each.inFlight * 0.2);
            // The window is kept in sixtieths, so that its edge is not sharp.
            const edgeMs = windowMs / 60;
            if (permit) {
              expect(held.length).toBeLessThan(mostAtOnce);
              expect(within(taken, windowMs - edgeMs)).toBeLessThan(
                Math.max(10, within(arrivals, windowMs) * 0.1),
              );
              held.push(permit);
              taken.push(now);
            } else {
              const isFull = held.length + 1 > mostAtOnce;
              const most = Math.max(10, Math.floor(within(arrivals, windowMs - edgeMs) * 0.1));
              expect(isFull || within(taken, windowMs) >= most).toBe(true);
            }
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("bounds what a total outage makes of its requests: a tenth of them, or one a second", () => {
    for (const perSecond of [1, 10, 100, 1000]) {
      const budget = createRetryBudget();
      let further = 0;
      for (let request = 0; request < perSecond * 60; request += 1) {
        const now = (request * 1000) / perSecond;
        budget.arrived(now);
        const permit = budget.take(now, perSecond);
        if (permit) further += 1;
        permit?.[Symbol.dispose]();
      }
      expect(further).toBeLessThanOrEqual(perSecond * 60 * 0.1 + 61);
    }
  });
});
