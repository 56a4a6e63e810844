import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createEngineLoop } from "../../src/mock-engine/engine-loop.ts";
import { createScheduler, type SchedulerConfig } from "../../src/mock-engine/scheduler.ts";
import { createSimulatedEngine, type SimulatedEngine } from "../../src/simulate/simulated-engine.ts";
import { createTimeline, type Timeline } from "../../src/simulate/timeline.ts";
import { config } from "../mock-engine/virtual-time.ts";

interface Arrival {
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Those of one name begin with the same text. */
  readonly name: number;
}

const specOf = ({ promptTokens, outputTokens, name }: Arrival, index = 0) => ({
  promptTokens,
  outputTokens,
  blockHashes: Array.from(
    { length: Math.floor((promptTokens + outputTokens) / config.blockSize) },
    (_, block) => (block < 4 ? name * 1000 + block : 1_000_000 + index * 1000 + block),
  ),
});

/** Runs to the end, letting the microtasks of each task happen before the next one. */
const runAll = async (timeline: Timeline): Promise<void> => {
  for (let task = timeline.next(); task; task = timeline.next()) {
    task();
    await Promise.resolve();
  }
};

const start = (given: Partial<SchedulerConfig> = {}) => {
  const timeline = createTimeline();
  const gaps: number[] = [];
  const onGap = (gapMs: number, count: number): void => {
    for (let index = 0; index < count; index += 1) gaps.push(gapMs);
  };
  return { timeline, gaps, engine: createSimulatedEngine({ ...config, ...given }, { timeline, onGap }) };
};

/** Submits at a time; tells when the first token came and how it ended. */
const submitAt = (timeline: Timeline, engine: SimulatedEngine, arrival: Arrival, index = 0) => {
  const heard: { firstMs?: number; endMs?: number; outcome?: string; cached?: number } = {};
  timeline.at(arrival.atMs, () => {
    const isTaken = engine.submit(specOf(arrival, index), {
      firstToken: (cached) => Object.assign(heard, { firstMs: timeline.now(), cached }),
      ended: (outcome) => Object.assign(heard, { endMs: timeline.now(), outcome }),
    });
    if (!isTaken) heard.outcome = "refused";
  });
  return heard;
};

const one = { atMs: 0, promptTokens: 800, outputTokens: 11, name: 1 };

describe("a simulated engine", () => {
  test("does the same whether or not somebody looks at it", async () => {
    const endsOf = async (looksAtMs: readonly number[]) => {
      const { timeline, engine, gaps } = start();
      const heard = [one, { ...one, atMs: 180.5, name: 2 }].map((each, index) =>
        submitAt(timeline, engine, each, index),
      );
      const left: number[] = [];
      for (const atMs of looksAtMs) {
        timeline.at(atMs, () => {
          engine.stats();
          left.push(engine.stepLeftMs());
        });
      }
      await runAll(timeline);
      const ends = heard.map(({ firstMs = 0, endMs = 0 }) => [firstMs.toFixed(6), endMs.toFixed(6)]);
      return { ends, tokens: gaps.length, least: Math.min(...gaps), left };
    };
    const unseen = await endsOf([]);
    const seen = await endsOf([20.5, 120.5, 150.5, 155.5, 190.5, 290.5, 300.5, 315.5]);
    expect(seen.ends).toEqual(unseen.ends);
    expect(seen.tokens).toBe(unseen.tokens);
    expect(seen.least).toBeCloseTo(6.35);
    expect(Math.min(...seen.left)).toBeGreaterThan(0);
  });

  test("gives every token when the engine of mock-engine gives it, whatever comes in the midst of its strides", async () => {
    const arrival = fc.record({
      // Never the very time at which a step ends: then either order is right.
      atMs: fc.integer({ min: 0, max: 2000 }).map((atMs) => atMs * 1.000_123_456_7),
      promptTokens: fc.integer({ min: 1, max: 400 }),
      outputTokens: fc.integer({ min: 1, max: 80 }),
      name: fc.nat(3),
    });
    const limits = fc.record({
      maxNumBatchedTokens: fc.integer({ min: 16, max: 512 }),
      maxNumSeqs: fc.integer({ min: 1, max: 8 }),
      // The longest request needs 30 blocks.
      numGpuBlocks: fc.integer({ min: 32, max: 120 }),
    });
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.uniqueArray(arrival, { selector: ({ atMs }) => atMs, minLength: 1, maxLength: 14 }),
        async (given, arrivals) => {
          const { timeline, engine, gaps } = start(given);
          const heard = arrivals.map((each, index) => submitAt(timeline, engine, each, index));

          const real = createTimeline();
          const scheduler = createScheduler({ ...config, ...given });
          const nothing = () => undefined;
          using loop = createEngineLoop(scheduler, 1, {
            clock: real,
            observer: { submitted: nothing, stepBegan: nothing, stepEnded: nothing, aborted: nothing },
          });
          const expected = arrivals.map(() => ({
            times: [] as number[],
            cached: undefined as number | undefined,
          }));
          for (const [index, each] of arrivals.entries()) {
            real.at(each.atMs, () => {
              loop.submit(specOf(each, index), ({ cachedTokens }) => {
                expected[index]?.times.push(real.now());
                Object.assign(expected[index] ?? {}, { cached: cachedTokens });
              });
            });
          }
          await runAll(timeline);
          await runAll(real);

          for (const [index, { times, cached }] of expected.entries()) {
            expect(heard[index]?.firstMs).toBeCloseTo(times[0] ?? Number.NaN, 6);
            expect(heard[index]?.endMs).toBeCloseTo(times.at(-1) ?? Number.NaN, 6);
            expect(heard[index]?.cached).toBe(cached);
          }
          const between = expected.flatMap(({ times }) =>
            times.slice(1).map((at, index) => at - (times[index] ?? 0)),
          );
          const sorted = (values: readonly number[]) => values.toSorted((left, right) => left - right);
          expect(gaps.length).toBe(between.length);
          for (const [index, gap] of sorted(gaps).entries())
            expect(gap).toBeCloseTo(sorted(between)[index] ?? 0, 6);
          expect(engine.totals().preemptions).toBe(scheduler.totals().preemptions);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("counts the time in which it computes, and nothing while it is idle", async () => {
    const { timeline, engine } = start();
    submitAt(timeline, engine, one);
    submitAt(timeline, engine, { ...one, atMs: 5000, name: 2 }, 1);
    await runAll(timeline);
    expect(engine.totals().busyMs).toBeCloseTo(2 * (100 + 10 * 6.35));
  });

  test("is slower from the step after the one under way, until it is not", async () => {
    const { timeline, engine } = start();
    const heard = submitAt(timeline, engine, one);
    timeline.at(50, () => engine.setSlowness(4));
    timeline.at(100 + 6.35 + 1, () => engine.setSlowness(1));
    await runAll(timeline);
    // Its prompt was under way; then a slow step, and nine of the usual kind.
    expect(heard.firstMs).toBeCloseTo(100);
    expect(heard.endMs).toBeCloseTo(100 + 4 * 6.35 + 9 * 6.35);
  });

  test("that dies ends what it had as failed, forgets what it held, and serves again when it is back", async () => {
    const { timeline, engine } = start();
    const lost = submitAt(timeline, engine, one);
    timeline.at(130, engine.die);
    const after = submitAt(timeline, engine, { ...one, atMs: 1000 });
    await runAll(timeline);
    expect(lost).toEqual({ firstMs: 100, cached: 0, endMs: 130, outcome: "failed" });
    expect([after.outcome, after.cached]).toEqual(["done", 0]);
    expect(engine.totals().prefixQueries).toBe(1600);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, kvCacheUsage: 0 });
  });

  test("tells its load and its cache at any time, also in the midst of a stride", async () => {
    const { timeline, engine } = start();
    submitAt(timeline, engine, one);
    const seen: unknown[] = [];
    timeline.at(50, () => {
      seen.push(engine.prefillTokens("later steps"), engine.prefillTokens("whole prompts"));
      seen.push(engine.stepLeftMs(), engine.decoding());
    });
    timeline.at(140, () => {
      const { running, kvCacheUsage = 0 } = engine.stats();
      seen.push(running, Math.round(kvCacheUsage * (config.numGpuBlocks - 1)));
      seen.push(engine.prefillTokens("whole prompts"), engine.decoding(), engine.cachedTokens(specOf(one)));
    });
    await runAll(timeline);
    expect(seen).toEqual([0, 800, 50, 0, 1, 51, 0, 1, 784]);
    expect(engine.decoding()).toBe(0);
  });

  test("refuses what its cache could never hold", async () => {
    const { timeline, engine } = start({ numGpuBlocks: 51 });
    const fits = submitAt(timeline, engine, { ...one, promptTokens: 790, outputTokens: 10 });
    const tooLong = submitAt(timeline, engine, { ...one, promptTokens: 790, outputTokens: 11 });
    await runAll(timeline);
    expect([fits.outcome, tooLong.outcome]).toEqual(["done", "refused"]);
  });
});
