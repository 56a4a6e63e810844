import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createFailureRun } from "../../src/health/failure-run.ts";

describe("failures in a row", () => {
  test("are so many without an answer between them", () => {
    const run = createFailureRun(3);
    expect([run.failed(), run.failed(), run.failed()]).toEqual([false, false, true]);
  });

  test("are interrupted by an answer that begins", () => {
    const run = createFailureRun(2);
    run.failed();
    run.answered();
    expect([run.failed(), run.failed()]).toEqual([false, true]);
  });

  test("are not interrupted by answers that break off themselves, one after the other or at once", () => {
    const apart = createFailureRun(3);
    const results = Array.from({ length: 3 }, () => apart.failed(apart.answered()));
    expect(results).toEqual([false, false, true]);
    const together = createFailureRun(3);
    const marks = Array.from({ length: 3 }, () => together.answered());
    expect(marks.map((mark) => together.failed(mark))).toEqual([false, false, true]);
  });

  test("are those since the last answer that stands, whatever overlaps", () => {
    // An answer begins, one that stands breaks off (the nth of them), or a request fails without an answer.
    const event = fc.oneof(
      fc.constant("answer" as const),
      fc.constant("fail" as const),
      fc.record({ breaksOff: fc.nat({ max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(event, { maxLength: 80 }), (threshold, events) => {
        const run = createFailureRun(threshold);
        const answers: { readonly mark: number; readonly after: number }[] = [];
        let failures = 0;
        for (const happens of events) {
          if (happens === "answer") {
            answers.push({ mark: run.answered(), after: failures });
            continue;
          }
          const broken =
            happens === "fail" ? [] : answers.splice(happens.breaksOff % (answers.length || 1), 1);
          failures += 1;
          const inARow = failures - Math.max(0, ...answers.map(({ after }) => after));
          expect(run.failed(broken[0]?.mark)).toBe(inARow >= threshold);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
