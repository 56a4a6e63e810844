import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Attempt, createBreaker, type Trip } from "../../src/health/breaker.ts";

const options = { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 };

/** A breaker without jitter that opens as soon as it says why. */
const start = (given: Partial<typeof options> = {}, random = () => 0.5) => {
  const breaker = createBreaker({ ...options, ...given }, { random });
  const fail = (now: number, attempt = breaker.begin(now)): Trip | undefined => {
    const why = breaker.failed(attempt, now);
    if (why && why !== "failed_probe") breaker.open(now);
    return why;
  };
  const succeed = (now: number): void => {
    const attempt = breaker.begin(now);
    breaker.answered(attempt);
    breaker.ended(attempt);
  };
  const failFive = (now: number): void => {
    for (let count = 0; count < 5; count += 1) fail(now);
  };
  return { ...breaker, fail, succeed, failFive };
};

describe("a breaker", () => {
  test("opens at the fifth failure in a row", () => {
    const { fail, succeed, stateAt } = start();
    for (let count = 0; count < 4; count += 1) fail(0);
    succeed(0);
    expect([1, 2, 3, 4, 5].map(() => fail(0))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      "consecutive_failures",
    ]);
    expect(stateAt(0)).toBe("open");
  });

  test("opens when more than half of twenty requests in the window fail", () => {
    const { fail, succeed } = start();
    for (let count = 0; count < 10; count += 1) {
      succeed(count);
      expect(fail(count)).toBeUndefined();
    }
    expect(fail(1000)).toBe("failure_rate");
  });

  test("does not judge by share what was asked little, or failed a while ago", () => {
    const few = start();
    for (let count = 0; count < 9; count += 1) {
      few.succeed(count);
      expect(few.fail(count)).toBeUndefined();
    }
    expect(few.fail(9)).toBeUndefined();
    const old = start();
    for (let count = 0; count < 10; count += 1) {
      old.succeed(count);
      old.fail(count);
    }
    expect(old.fail(30_500)).toBeUndefined();
  });

  test("counts a request when it begins: answers that take long are no lack of answers", () => {
    const { begin, answered, fail } = start();
    for (let count = 0; count < 30; count += 1) answered(begin(count));
    const results = Array.from({ length: 30 }, (_, count) => {
      answered(begin(100 + count));
      return fail(100 + count);
    });
    expect(results.every((why) => why === undefined)).toBe(true);
  });

  test("does not count what had no room, or whose client left", () => {
    const { begin, refused, left, fail, failFive, stateAt } = start({ failureThreshold: 1000 });
    for (let count = 0; count < 100; count += 1) {
      refused(begin(count), count + 1);
      left(begin(count), count + 1);
    }
    expect(stateAt(200)).toBe("closed");
    failFive(200);
    failFive(200);
    failFive(200);
    for (let count = 0; count < 4; count += 1) expect(fail(300)).toBeUndefined();
    // Nothing but these twenty counts.
    expect(fail(300)).toBe("failure_rate");
  });

  test("stays open for 5 s, then lets one request at a time probe", () => {
    const { failFive, stateAt, begin, isProbing, ended } = start();
    failFive(0);
    expect([stateAt(4999), stateAt(5000)]).toEqual(["open", "half_open"]);
    const probe = begin(5000);
    expect(isProbing()).toBe(true);
    ended(begin(5001));
    expect(isProbing()).toBe(true);
    ended(probe);
    expect(isProbing()).toBe(false);
  });

  test("closes when a probe was answered, but not sooner than 15 s after it opened", () => {
    const { failFive, begin, answered, settle, stateAt, closedAt } = start();
    failFive(0);
    answered(begin(5000));
    expect([settle(5000), settle(14_999)]).toEqual([false, false]);
    expect(stateAt(14_999)).toBe("half_open");
    expect([settle(15_000), settle(15_001)]).toEqual([true, false]);
    expect([stateAt(15_000), closedAt()]).toEqual(["closed", 15_000]);
  });

  test("wants as many probes answered in a row as it is told", () => {
    const { failFive, succeed, fail, settle } = start({ successThreshold: 2 });
    failFive(0);
    succeed(5000);
    expect(fail(5001)).toBe("failed_probe");
    succeed(20_000);
    expect(settle(20_000)).toBe(false);
    succeed(20_001);
    expect(settle(20_001)).toBe(true);
  });

  test.each([
    ["fails", "failed"],
    ["finds no room", "refused"],
  ] as const)("stays open longer each time that a probe %s", (_what, verb) => {
    const breaker = start();
    breaker.failFive(0);
    let now = 0;
    const waits: number[] = [];
    for (let count = 0; count < 13; count += 1) {
      const until = breaker.opened()?.until ?? Number.NaN;
      waits.push((until - now) / 1000);
      now = until;
      expect(breaker[verb](breaker.begin(now), now)).toBe("failed_probe");
    }
    expect(waits).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60]);
  });

  test("varies the time by a fifth", () => {
    const untils = [0, 0.999_999].map((drawn) => {
      const { failFive, opened } = start({}, () => drawn);
      failFive(0);
      return Math.round(opened()?.until ?? 0);
    });
    expect(untils).toEqual([4000, 6000]);
  });

  test("forgets an ejection with each minute without another", () => {
    const { failFive, succeed, settle, opened } = start();
    let now = 0;
    const waits = [0, 59_999, 60_000, 600_000].map((gapMs) => {
      now += gapMs;
      failFive(now);
      const waitMs = (opened()?.until ?? 0) - now;
      now += 60_000;
      succeed(now);
      settle(now);
      return waitMs / 1000;
    });
    expect(waits).toEqual([5, 10, 10, 5]);
  });

  test("is open for the next request when an answer elsewhere ends its first wait, and what failed probes added to it", () => {
    const { failFive, fail, probeSoon, stateAt } = start();
    failFive(0);
    probeSoon(1000);
    expect(stateAt(1000)).toBe("half_open");
    fail(1000);
    expect(stateAt(2000)).toBe("open");
    probeSoon(2000);
    expect(stateAt(2000)).toBe("half_open");
  });

  test("has waited its time when it opens again, whatever is answered elsewhere", () => {
    const { failFive, fail, succeed, settle, probeSoon, stateAt } = start();
    failFive(0);
    succeed(15_000);
    settle(15_000);
    failFive(31_000);
    probeSoon(32_000);
    expect([40_999, 41_000].map(stateAt)).toEqual(["open", "half_open"]);
    fail(41_000);
    expect(stateAt(42_000)).toBe("open");
    probeSoon(42_000);
    expect(stateAt(42_000)).toBe("half_open");
  });

  test("takes no notice of what was sent before it changed", () => {
    const { begin, answered, failed, failFive, settle, succeed, stateAt } = start();
    const old = Array.from({ length: 12 }, () => begin(0));
    failFive(1);
    for (const attempt of old.slice(0, 6)) answered(attempt);
    expect(settle(20_000)).toBe(false);
    expect(failed(old[0] ?? begin(0), 2)).toBeUndefined();
    succeed(20_000);
    expect(settle(20_000)).toBe(true);
    for (const attempt of old) expect(failed(attempt, 20_001)).toBeUndefined();
    expect(stateAt(20_001)).toBe("closed");
  });

  test("does what its history says, whatever overlaps", () => {
    const step = fc.record({
      does: fc.constantFrom("begin", "begin", "answered", "failed", "failed", "refused", "left", "ended"),
      which: fc.nat({ max: 30 }),
      // Whole buckets of the window, so that the model and the window agree on what is in it.
      gapMs: fc.constantFrom(0, 0, 0, 500, 1000, 5000, 40_000),
      hasRoom: fc.boolean(),
    });
    const thresholds = fc.record({
      failureThreshold: fc.integer({ min: 1, max: 12 }),
      successThreshold: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(thresholds, fc.array(step, { maxLength: 200 }), (given, steps) => {
        const breaker = createBreaker({ ...options, ...given }, { random: () => 0.5 });
        interface Known {
          readonly attempt: Attempt;
          readonly at: number;
          answeredAfter?: number;
          isOver: boolean;
          counts: boolean;
        }
        let now = 0;
        let known: Known[] = [];
        let failures: number[] = [];
        let failed = 0;
        let out: { at: number; until: number; passes: number; probe?: Known | undefined } | undefined;
        let ejections = 0;
        let closedAt = Number.NEGATIVE_INFINITY;
        const reset = (): void => {
          known = [];
          failures = [];
          failed = 0;
        };
        const prolong = (current: NonNullable<typeof out>): void => {
          ejections += 1;
          Object.assign(current, {
            until: now + Math.min(60_000, 5000 * ejections),
            passes: 0,
            probe: undefined,
          });
        };
        for (const { does, which, gapMs, hasRoom } of steps) {
          now += gapMs;
          const isDue = out !== undefined && out.passes >= given.successThreshold && now - out.at >= 15_000;
          expect(breaker.settle(now)).toBe(isDue);
          if (isDue) {
            out = undefined;
            closedAt = now;
            reset();
          }
          if (does === "begin") {
            const entry: Known = { attempt: breaker.begin(now), at: now, isOver: false, counts: true };
            known.push(entry);
            if (out && now >= out.until && !out.probe) out.probe = entry;
          } else {
            const open = known.filter(({ isOver }) => !isOver);
            const entry = open[which % (open.length || 1)];
            if (!entry) continue;
            const { attempt } = entry;
            const isProbe = out?.probe === entry;
            if (does === "answered") {
              if (entry.answeredAfter !== undefined) continue;
              breaker.answered(attempt);
              entry.answeredAfter = failed;
              if (isProbe && out) out.passes += 1;
              continue;
            }
            entry.isOver = true;
            if (does === "ended") breaker.ended(attempt);
            if (does === "left") breaker.left(attempt, now);
            if (does === "left" || does === "refused") entry.counts = false;
            const why =
              does === "refused"
                ? breaker.refused(attempt, now)
                : does === "failed"
                  ? breaker.failed(attempt, now)
                  : undefined;
            if (out) {
              const isWorse = isProbe && (does === "failed" || does === "refused");
              expect(why).toBe(isWorse ? "failed_probe" : undefined);
              if (isWorse) prolong(out);
              else if (isProbe) out.probe = undefined;
            } else if (does === "failed") {
              delete entry.answeredAfter;
              failed += 1;
              failures.push(now);
              const lastAnswer = Math.max(0, ...known.map(({ answeredAfter = 0 }) => answeredAfter));
              const recent = (at: number): boolean => now - at < 30_000;
              const bad = failures.filter(recent).length;
              const samples = Math.max(known.filter(({ at, counts }) => counts && recent(at)).length, bad);
              const inARow = failed - lastAnswer >= given.failureThreshold;
              const mostly = samples >= 20 && 2 * bad > samples;
              expect(why).toBe(inARow ? "consecutive_failures" : mostly ? "failure_rate" : undefined);
              if (why && hasRoom) {
                breaker.open(now);
                ejections = Math.max(0, ejections - Math.floor((now - closedAt) / 60_000));
                out = { at: now, until: now, passes: 0 };
                prolong(out);
                reset();
              }
            } else expect(why).toBeUndefined();
          }
          expect(breaker.isProbing()).toBe(out?.probe !== undefined);
          expect(breaker.stateAt(now)).toBe(!out ? "closed" : now < out.until ? "open" : "half_open");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
