import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Health, judge, presumedWell, type Verdict } from "../../src/health/health.ts";

const thresholds = { fall: 3, rise: 2, holdDownMs: 10 };

/** The states after verdicts that come one after the other, so many milliseconds apart. */
const after = (verdicts: readonly Verdict[], apartMs = 100): boolean[] => {
  let health = presumedWell;
  return verdicts.map((verdict, index) => {
    health = judge(health, verdict, index * apartMs, thresholds);
    return health.isUp;
  });
};

describe("health", () => {
  test("falls with so many failures in a row, and rises with so many passes", () => {
    expect(after(["fail", "fail", "fail", "pass", "pass"])).toEqual([true, true, false, false, true]);
  });

  test("counts only what comes in a row", () => {
    expect(after(["fail", "fail", "pass", "fail", "fail"])).toEqual([true, true, true, true, true]);
    expect(after(["dead", "pass", "fail", "pass", "fail", "pass", "pass"])).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  test("is lost at once when the engine itself says so", () => {
    expect(after(["pass", "dead"])).toEqual([true, false]);
  });

  test("stays as it is for a while after a change, and is settled by the next probe thereafter", () => {
    expect(after(["dead", "pass", "pass", "pass", "pass"], 4)).toEqual([false, false, false, true, true]);
  });

  test("is the same object while nothing happens", () => {
    expect(judge(presumedWell, "pass", 5, thresholds)).toBe(presumedWell);
    const down: Health = { isUp: false, against: 0, changedAt: 0 };
    expect(judge(down, "fail", 5, thresholds)).toBe(down);
    expect(judge(down, "dead", 5, thresholds)).toBe(down);
  });

  test("changes as its history says, whatever happens", () => {
    const events = fc.array(
      fc.record({
        verdict: fc.constantFrom<Verdict>("pass", "pass", "fail", "fail", "dead"),
        gapMs: fc.integer({ min: 0, max: 12 }),
      }),
      { maxLength: 60 },
    );
    const limits = fc.record({
      fall: fc.integer({ min: 1, max: 4 }),
      rise: fc.integer({ min: 1, max: 4 }),
      holdDownMs: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(events, limits, (history, { fall, rise, holdDownMs }) => {
        let health = presumedWell;
        let now = 0;
        let isUp = true;
        let changedAt = Number.NEGATIVE_INFINITY;
        // The verdicts since the last change, of which the model looks at the end.
        let since: boolean[] = [];
        for (const { verdict, gapMs } of history) {
          now += gapMs;
          health = judge(health, verdict, now, { fall, rise, holdDownMs });
          since.push(verdict === "pass");
          const needed = isUp ? fall : rise;
          const end = since.slice(-needed);
          const isAgreed = end.length === needed && end.every((passed) => passed !== isUp);
          const wasHeld = now - changedAt < holdDownMs;
          if ((isAgreed && !wasHeld) || (verdict === "dead" && isUp)) {
            isUp = !isUp;
            changedAt = now;
            since = [];
          }
          expect(health.isUp).toBe(isUp);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
