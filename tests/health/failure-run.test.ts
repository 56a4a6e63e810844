import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { allocateCells, joinCells } from "../../src/core/engine-cells.ts";
import { createFailureRun, type FailureRun, runCells } from "../../src/health/failure-run.ts";

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

  /** One run, as so many threads have it. */
  const threadsOf = (count: number, threshold: number): readonly FailureRun[] => {
    const memory = allocateCells({ rows: count, slots: 1, cells: runCells(threshold) });
    const failures = new Float64Array(1);
    return Array.from({ length: count }, (_, row) => {
      const rows = joinCells(memory, { row, slotOf: () => 0 })("");
      return createFailureRun(threshold, { failures, rows, base: 0, isCounted: () => true });
    });
  };

  test("are those since the last answer that stands, whatever overlaps, in whatever thread", () => {
    // An answer begins, one that stands breaks off (the nth of them), or a request fails without an answer.
    const event = fc.oneof(
      fc.constant("answer" as const),
      fc.constant("fail" as const),
      fc.record({ breaksOff: fc.nat({ max: 20 }) }),
    );
    const events = fc.array(fc.tuple(event, fc.nat({ max: 2 })), { maxLength: 80 });
    const bounds = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }));
    fc.assert(
      fc.property(bounds, events, ([threshold, count], list) => {
        const threads = threadsOf(count, threshold);
        const answers: { readonly run?: FailureRun; readonly mark?: number; readonly after: number }[] = [];
        let failures = 0;
        for (const [happens, nth] of list) {
          const run = threads[nth % count];
          if (happens === "answer") {
            answers.push({ ...(run && { run, mark: run.answered() }), after: failures });
            continue;
          }
          const broken =
            happens === "fail" ? undefined : answers.splice(happens.breaksOff % (answers.length || 1), 1)[0];
          failures += 1;
          const inARow = failures - Math.max(0, ...answers.map(({ after }) => after));
          // An answer breaks off in the thread that it came to.
          expect((broken?.run ?? run)?.failed(broken?.mark)).toBe(inARow >= threshold);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
