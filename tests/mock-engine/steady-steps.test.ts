import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createScheduler, type Scheduler } from "../../src/mock-engine/scheduler.ts";
import type { Sequence } from "../../src/mock-engine/sequence.ts";
import { config, run, submit } from "./virtual-time.ts";

/** When each sequence ended, and the state of the engine then, taking several steps at once wherever it may. */
const runInStrides = (
  scheduler: Scheduler,
): { ends: Map<Sequence, number>; strides: number; endMs: number } => {
  const ends = new Map<Sequence, number>();
  let now = 0;
  let strides = 0;
  for (let step = scheduler.beginStep(); step; step = scheduler.beginStep()) {
    const steps = scheduler.steadySteps();
    now += step.durationMs * steps;
    strides += 1;
    for (const sequence of scheduler.finishStep(steps)) {
      if (sequence.status === "finished") ends.set(sequence, now);
    }
  }
  return { ends, strides, endMs: now };
};

describe("steps that are alike", () => {
  test("last until the first of the batch finishes", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 100, 50);
    submit(scheduler, 100, 20);
    scheduler.beginStep();
    expect(scheduler.steadySteps()).toBe(1);
    scheduler.finishStep();
    scheduler.beginStep();
    expect(scheduler.steadySteps()).toBe(19);
    expect(scheduler.finishStep(19).map(({ status, emitted }) => [status, emitted])).toEqual([
      ["running", 20],
      ["finished", 20],
    ]);
  });

  test("are none while a request waits that has a place", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 100, 50);
    scheduler.beginStep();
    scheduler.finishStep();
    scheduler.beginStep();
    submit(scheduler, 100, 50);
    expect(scheduler.steadySteps()).toBe(1);
  });

  test("go on while one waits for a place that only an end can give", () => {
    const scheduler = createScheduler({ ...config, maxNumSeqs: 1 });
    submit(scheduler, 100, 50);
    submit(scheduler, 100, 50);
    scheduler.beginStep();
    scheduler.finishStep();
    scheduler.beginStep();
    expect(scheduler.steadySteps()).toBe(49);
  });

  test("are none where the cache cannot hold what they would write", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 6 });
    submit(scheduler, 16, 40);
    submit(scheduler, 16, 40);
    scheduler.beginStep();
    scheduler.finishStep();
    scheduler.beginStep();
    expect(scheduler.steadySteps()).toBe(1);
  });

  test("are none with one that was aborted in their midst", () => {
    const scheduler = createScheduler(config);
    const left = submit(scheduler, 100, 50);
    submit(scheduler, 100, 50);
    scheduler.beginStep();
    scheduler.finishStep();
    scheduler.beginStep();
    scheduler.abort(left);
    expect(scheduler.steadySteps()).toBe(1);
  });

  test("taken at once come to the same as one by one", () => {
    const request = fc.record({
      prompt: fc.integer({ min: 1, max: 90 }),
      output: fc.integer({ min: 0, max: 60 }),
      name: fc.integer({ min: 1, max: 4 }),
    });
    const limits = fc.record({
      maxNumBatchedTokens: fc.integer({ min: 1, max: 64 }),
      maxNumSeqs: fc.integer({ min: 1, max: 6 }),
      // The longest request needs 10 blocks.
      numGpuBlocks: fc.integer({ min: 11, max: 40 }),
    });
    fc.assert(
      fc.property(limits, fc.array(request, { minLength: 1, maxLength: 12 }), (given, requests) => {
        const slow = createScheduler({ ...config, ...given });
        const fast = createScheduler({ ...config, ...given });
        const pairs = requests.map(({ prompt, output, name }) => [
          submit(slow, prompt, output, name),
          submit(fast, prompt, output, name),
        ]);
        const { times, endMs } = run(slow);
        const strided = runInStrides(fast);
        expect(strided.endMs).toBeCloseTo(endMs, 6);
        for (const [one, other] of pairs) {
          if (!one || !other) throw new Error("a pair is two");
          expect(strided.ends.get(other)).toBeCloseTo(times.get(one)?.at(-1) ?? Number.NaN, 6);
          expect(other.cachedTokens).toBe(one.cachedTokens);
        }
        expect(fast.totals()).toEqual(slow.totals());
        expect(fast.usage()).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });
});
