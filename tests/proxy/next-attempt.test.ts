import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Failure,
  failureOfStatus,
  type Next,
  nextAttempt,
  repeatDelayMs,
} from "../../src/proxy/next-attempt.ts";

type Past = Parameters<typeof nextAttempt>[0];

const usual = {
  maxAttempts: 3,
  isReplaySafe: true,
  hasOthers: true,
  isRepeat: false,
  asksToWait: false,
  isDeadEnd: false,
};

const after = (failures: readonly Failure[], given: Partial<Past> = {}): Next =>
  nextAttempt({ ...usual, failures, ...given });

const nobody = (isPointless = false): Next => ({ to: "nobody", isPointless });
const another = (isCounted: boolean): Next => ({ to: "another", isCounted });
const same = (isCounted: boolean): Next => ({ to: "same", isCounted });

describe("after a failed attempt", () => {
  const rows: [string, Next, readonly Failure[], Partial<Past>?][] = [
    ["an engine that was not reached is replaced for nothing", another(false), ["unsent"]],
    ["so is one that was lost without a byte", another(false), ["lost"]],
    ["and a second one", another(false), ["unsent", "unsent"]],
    ["but a third draws on the budget", another(true), ["unsent", "unsent", "unsent"], { maxAttempts: 9 }],
    ["so does a first one where no engine can be reached", another(true), ["unsent"], { isDeadEnd: true }],
    ["however it was lost", another(true), ["lost"], { isDeadEnd: true }],
    ["an engine that is late draws on the budget", another(true), ["late"]],
    ["so does one that is overloaded", another(true), ["overloaded"]],
    ["so does one that answers nonsense", another(true), ["invalid"]],
    ["so does one that answers 500", another(true), ["broken"]],
    ["a second 500 is the request's own doing", nobody(true), ["broken", "broken"]],
    ["so are two crashes", nobody(true), ["lost", "lost"]],
    ["so are a crash and a 500", nobody(true), ["lost", "broken"], { maxAttempts: 9 }],
    ["however far apart", nobody(true), ["broken", "overloaded", "lost"], { maxAttempts: 9 }],
    [
      "an engine that is busy has only one with room to replace it",
      { to: "spare", isCounted: true },
      ["busy"],
    ],
    ["and is not asked again", nobody(), ["busy"], { hasOthers: false }],
    ["attempts run out", nobody(), ["unsent", "overloaded", "late"]],
    ["none is made where none is allowed", nobody(), ["unsent"], { maxAttempts: 1 }],
    [
      "what may not be sent twice is sent again if it was not sent",
      another(false),
      ["unsent"],
      { isReplaySafe: false },
    ],
    ["and not if it may have been", nobody(), ["lost"], { isReplaySafe: false }],
    ["nor if it was answered", nobody(), ["overloaded"], { isReplaySafe: false }],
    ["a lone engine that was not reached is asked once more", same(false), ["unsent"], { hasOthers: false }],
    ["so is one that was overloaded", same(true), ["overloaded"], { hasOthers: false }],
    ["not twice", nobody(), ["unsent", "unsent"], { hasOthers: false, isRepeat: true }],
    ["nor before the time that it named", nobody(), ["overloaded"], { hasOthers: false, asksToWait: true }],
    ["one that was late is not: the client would wait twice", nobody(), ["late"], { hasOthers: false }],
    ["nor one that crashed", nobody(), ["lost"], { hasOthers: false }],
    ["nor one that answered 500", nobody(), ["broken"], { hasOthers: false }],
  ];
  test.each(rows)("%s", (_what, next, failures, given = {}) => {
    expect(after(failures, given)).toEqual(next);
  });

  test("no past leads to more attempts than allowed, to a third broken engine or to a request sent twice that may not be", () => {
    const failure = fc.constantFrom<Failure>(
      "unsent",
      "lost",
      "late",
      "invalid",
      "broken",
      "overloaded",
      "busy",
    );
    fc.assert(
      fc.property(
        fc.array(failure, { minLength: 1, maxLength: 8 }),
        fc.record({
          maxAttempts: fc.integer({ min: 1, max: 8 }),
          isReplaySafe: fc.boolean(),
          hasOthers: fc.boolean(),
          isRepeat: fc.boolean(),
          asksToWait: fc.boolean(),
          isDeadEnd: fc.boolean(),
        }),
        (failures, given) => {
          const next = nextAttempt({ failures, ...given });
          if (next.to === "nobody") return;
          expect(failures.length).toBeLessThan(given.maxAttempts);
          expect(failures.filter((each) => each === "broken" || each === "lost").length).toBeLessThan(2);
          if (!given.isReplaySafe) expect(failures.at(-1)).toBe("unsent");
          if (next.to === "same") expect(given.hasOthers || given.isRepeat).toBe(false);
          else expect(given.hasOthers).toBe(true);
          if (given.isDeadEnd) expect(next.isCounted).toBe(true);
          if (!next.isCounted)
            expect(failures.filter((each) => ["unsent", "lost"].includes(each)).length).toBeLessThanOrEqual(
              2,
            );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test("of all statuses only 429, 500, 502, 503 and 504 may be replaced", () => {
  const statuses = Array.from({ length: 500 }, (_, index) => index + 100);
  expect(statuses.filter((status) => failureOfStatus(status))).toEqual([429, 500, 502, 503, 504]);
});

test("the wait before the same engine doubles to a quarter of a second, and is any part of that", () => {
  const waits = (random: number) =>
    [1, 2, 3, 4, 5, 9].map((attempts) => repeatDelayMs(attempts, () => random));
  expect(waits(1)).toEqual([25, 50, 100, 200, 250, 250]);
  expect(waits(0.5)).toEqual([12.5, 25, 50, 100, 125, 125]);
  expect(waits(0)).toEqual([0, 0, 0, 0, 0, 0]);
});
