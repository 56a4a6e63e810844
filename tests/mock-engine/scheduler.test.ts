import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createScheduler } from "../../src/mock-engine/scheduler.ts";
import type { Sequence } from "../../src/mock-engine/sequence.ts";
import { config, firstOf, run, submit } from "./virtual-time.ts";

describe("the time of a request", () => {
  test("a prompt within one step has its first token after its prefill", () => {
    const scheduler = createScheduler(config);
    const sequence = submit(scheduler, 1000, 1);
    expect(run(scheduler).times.get(sequence)).toEqual([125]);
  });

  test("a longer prompt is cut into steps of the token budget", () => {
    const scheduler = createScheduler(config);
    const sequence = submit(scheduler, 20_000, 1);
    const { times, steps } = run(scheduler);
    expect(steps).toBe(3);
    expect(firstOf(times, sequence)).toBeCloseTo(2500);
  });

  test("prompts share the budget of a step, first come first", () => {
    const scheduler = createScheduler(config);
    const first = submit(scheduler, 6000, 2);
    const second = submit(scheduler, 6000, 1);
    const { times } = run(scheduler);
    expect(firstOf(times, first)).toBeCloseTo(8192 / 8);
    // The second step decodes the first and computes what is left of the second.
    expect(firstOf(times, second)).toBeCloseTo(8192 / 8 + (12_000 - 8192) / 8 + 6 + 0.35);
    expect(times.get(first)?.[1]).toBeCloseTo(firstOf(times, second));
  });

  test("a decode step grows with the sequences in it, and each gains one token", () => {
    const scheduler = createScheduler(config);
    const batch = Array.from({ length: 40 }, () => submit(scheduler, 10, 3));
    const { times, endMs } = run(scheduler);
    const prefillMs = 400 / 8;
    const decodeMs = 6 + 0.35 * 40;
    for (const sequence of batch) {
      const [first, second, third] = times.get(sequence) ?? [];
      expect([first, second, third]).toEqual([prefillMs, prefillMs + decodeMs, prefillMs + 2 * decodeMs]);
    }
    expect(endMs).toBe(prefillMs + 2 * decodeMs);
  });

  test("the last token of a prompt is prefill, also when it is alone", () => {
    const scheduler = createScheduler({ ...config, maxNumBatchedTokens: 16 });
    submit(scheduler, 17, 2);
    const steps = [0, 1, 2].map(() => {
      const step = scheduler.beginStep();
      scheduler.finishStep();
      return [step?.prefillTokens, step?.decodes];
    });
    expect(steps).toEqual([
      [16, 0],
      [1, 0],
      [0, 1],
    ]);
  });

  test("a request without an answer ends with its prompt", () => {
    const scheduler = createScheduler(config);
    const sequence = submit(scheduler, 800, 0);
    expect(run(scheduler).times.get(sequence)).toEqual([100]);
    expect([sequence.status, sequence.emitted, scheduler.usage()]).toEqual(["finished", 0, 0]);
  });
});

describe("admission", () => {
  test("no more than max-num-seqs run; the others wait in the order in which they came", () => {
    const scheduler = createScheduler({ ...config, maxNumSeqs: 2 });
    const sequences = [
      submit(scheduler, 8, 2),
      submit(scheduler, 8, 4),
      submit(scheduler, 8, 1),
      submit(scheduler, 8, 1),
    ];
    scheduler.beginStep();
    expect([scheduler.running(), scheduler.waiting()]).toEqual([2, 2]);
    scheduler.finishStep();
    const { times } = run(scheduler);
    expect(sequences.map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => "finished"));
    const [, , third, fourth] = sequences.map((sequence) => firstOf(times, sequence));
    expect(third).toBeLessThan(fourth ?? 0);
  });

  test("a prompt that finds no room holds back the shorter ones behind it", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 11 });
    submit(scheduler, 100, 2);
    const long = submit(scheduler, 100, 1);
    const short = submit(scheduler, 10, 1);
    scheduler.beginStep();
    expect([scheduler.running(), scheduler.waiting()]).toEqual([1, 2]);
    scheduler.finishStep();
    const { times } = run(scheduler);
    expect(firstOf(times, short)).toBe(firstOf(times, long));
  });

  test("a step names those that run for the first time, once", () => {
    const scheduler = createScheduler(config);
    const sequence = submit(scheduler, 10_000, 2);
    expect(scheduler.beginStep()?.admitted).toEqual([sequence]);
    scheduler.finishStep();
    expect(scheduler.beginStep()?.admitted).toEqual([]);
  });
});

describe("aborts", () => {
  test("free the blocks at once, also in the middle of a step, and give no more tokens", () => {
    const scheduler = createScheduler(config);
    const sequence = submit(scheduler, 100, 5);
    scheduler.beginStep();
    expect(scheduler.usage()).toBeGreaterThan(0);
    expect(scheduler.abort(sequence)).toBe(true);
    expect([scheduler.usage(), scheduler.running(), sequence.status]).toEqual([0, 0, "aborted"]);
    expect(scheduler.finishStep()).toEqual([]);
    expect(scheduler.abort(sequence)).toBe(false);
    expect(scheduler.beginStep()).toBeUndefined();
  });

  test("a waiting request leaves the queue", () => {
    const scheduler = createScheduler({ ...config, maxNumSeqs: 1 });
    const running = submit(scheduler, 10, 2);
    const waiting = submit(scheduler, 10, 2);
    scheduler.beginStep();
    scheduler.abort(waiting);
    scheduler.finishStep();
    run(scheduler);
    expect([running.status, waiting.status, waiting.emitted]).toEqual(["finished", "aborted", 0]);
  });
});

test("whatever comes and goes: limits hold, answers are whole, and every block comes back", () => {
  const request = fc.record({
    prompt: fc.integer({ min: 1, max: 90 }),
    output: fc.integer({ min: 0, max: 40 }),
    name: fc.integer({ min: 1, max: 4 }),
    abortAfter: fc.option(fc.nat(30), { nil: undefined }),
    at: fc.nat(20),
  });
  const limits = fc.record({
    maxNumBatchedTokens: fc.integer({ min: 1, max: 64 }),
    maxNumSeqs: fc.integer({ min: 1, max: 6 }),
    // The longest request needs 9 blocks.
    numGpuBlocks: fc.integer({ min: 10, max: 30 }),
  });
  fc.assert(
    fc.property(limits, fc.array(request, { maxLength: 12 }), (given, requests) => {
      const scheduler = createScheduler({ ...config, ...given });
      const sequences = new Map<Sequence, number>();
      for (let tick = 0; tick < 5000; tick += 1) {
        for (const { prompt, output, name } of requests.filter(({ at }) => at === tick)) {
          sequences.set(submit(scheduler, prompt, output, name), 0);
        }
        const step = scheduler.beginStep();
        expect(scheduler.running()).toBeLessThanOrEqual(given.maxNumSeqs);
        expect(scheduler.usage()).toBeLessThanOrEqual(1);
        if (step) expect(step.prefillTokens + step.decodes).toBeLessThanOrEqual(given.maxNumBatchedTokens);
        const order = [...sequences.keys()];
        for (const [index, { abortAfter }] of requests.entries()) {
          const sequence = order[index];
          if (sequence && abortAfter === tick) scheduler.abort(sequence);
        }
        for (const sequence of scheduler.finishStep()) {
          expect(sequence.status).not.toBe("aborted");
          sequences.set(sequence, (sequences.get(sequence) ?? 0) + 1);
        }
        if (!step && tick > 20) break;
      }
      for (const [sequence, tokens] of sequences) {
        if (sequence.status === "aborted") continue;
        expect(sequence.status).toBe("finished");
        expect(tokens).toBe(Math.max(1, sequence.outputTokens));
      }
      expect([scheduler.running(), scheduler.waiting(), scheduler.usage()]).toEqual([0, 0, 0]);
      expect(scheduler.resetPrefixCache()).toBe(true);
    }),
    { numRuns: 300 },
  );
});
