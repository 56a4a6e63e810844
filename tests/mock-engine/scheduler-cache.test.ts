import { describe, expect, test } from "bun:test";
import { createScheduler } from "../../src/mock-engine/scheduler.ts";
import { config, firstOf, run, submit } from "./virtual-time.ts";

describe("the prefix cache", () => {
  test("a prompt that came before is computed from its last block on", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 1000, 1, 7);
    const { endMs } = run(scheduler);
    const again = submit(scheduler, 1000, 1, 7);
    expect(firstOf(run(scheduler, endMs).times, again) - endMs).toBeCloseTo((1000 - 62 * 16) / 8);
    expect(again.cachedTokens).toBe(62 * 16);
    expect(scheduler.totals()).toEqual({ preemptions: 0, prefixQueries: 2000, prefixHits: 62 * 16 });
  });

  test("a prompt of whole blocks is never cached whole, because its last token gives the first of the answer", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 64, 1, 8);
    run(scheduler);
    const again = submit(scheduler, 64, 1, 8);
    run(scheduler);
    expect(again.cachedTokens).toBe(48);
  });

  test("requests of one step share what the first of them computes", () => {
    const scheduler = createScheduler(config);
    const first = submit(scheduler, 1600, 1, 9);
    const second = submit(scheduler, 1600, 1, 9);
    expect(scheduler.beginStep()?.prefillTokens).toBe(1600 + 16);
    expect([first.cachedTokens, second.cachedTokens]).toEqual([0, 1584]);
  });

  test("an answer is cached too: the next turn of a conversation finds it", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 160, 33, 10);
    run(scheduler);
    const next = submit(scheduler, 400, 1, 10);
    run(scheduler);
    // The last token of the answer is known, but was never computed.
    expect(next.cachedTokens).toBe(192);
  });

  test("usage is the share of blocks in use, of those that can be used", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 101 });
    submit(scheduler, 16 * 25, 2);
    scheduler.beginStep();
    expect(scheduler.usage()).toBeCloseTo(0.25);
    scheduler.finishStep();
    run(scheduler);
    expect(scheduler.usage()).toBe(0);
  });

  test("a reset empties it once nothing runs", () => {
    const scheduler = createScheduler(config);
    submit(scheduler, 100, 2, 11);
    scheduler.beginStep();
    expect(scheduler.resetPrefixCache()).toBe(false);
    scheduler.finishStep();
    run(scheduler);
    expect(scheduler.resetPrefixCache()).toBe(true);
    const again = submit(scheduler, 100, 1, 11);
    run(scheduler);
    expect(again.cachedTokens).toBe(0);
  });
});

describe("a full cache", () => {
  test("turns out the youngest, which starts over and still gives every token once", () => {
    // Room for 8 blocks: two prompts of 3 blocks, which both grow to 5.
    const scheduler = createScheduler({ ...config, numGpuBlocks: 9 });
    const older = submit(scheduler, 48, 30);
    const younger = submit(scheduler, 48, 30);
    const { times } = run(scheduler);
    expect(scheduler.totals().preemptions).toBe(1);
    expect([times.get(older)?.length, times.get(younger)?.length]).toEqual([30, 30]);
    expect(times.get(older)?.at(-1)).toBeLessThan(times.get(younger)?.at(-1) ?? 0);
    expect([scheduler.usage(), scheduler.running(), scheduler.waiting()]).toEqual([0, 0, 0]);
  });

  test("a step that turns one out takes no new one in, and the one turned out goes first", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 7 });
    const older = submit(scheduler, 47, 20);
    const younger = submit(scheduler, 47, 20);
    scheduler.beginStep();
    scheduler.finishStep();
    const newcomer = submit(scheduler, 4, 1);
    while (scheduler.totals().preemptions === 0) {
      scheduler.beginStep();
      scheduler.finishStep();
    }
    expect([older.status, younger.status, newcomer.status]).toEqual(["running", "waiting", "waiting"]);
    // There would be room for the newcomer alone.
    scheduler.beginStep();
    scheduler.finishStep();
    expect(newcomer.status).toBe("waiting");
    run(scheduler);
    expect([older.emitted, younger.emitted, newcomer.emitted]).toEqual([20, 20, 1]);
  });

  test("a step that turns one out does not take it in again with what is left of its budget", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 7, maxNumBatchedTokens: 17 });
    const older = submit(scheduler, 47, 20);
    const younger = submit(scheduler, 47, 20);
    while (scheduler.totals().preemptions === 0) {
      scheduler.beginStep();
      scheduler.finishStep();
    }
    expect([older.status, younger.status]).toEqual(["running", "waiting"]);
  });

  test("what it cached before counts as a query once, not again when it starts over", () => {
    const scheduler = createScheduler({ ...config, numGpuBlocks: 9 });
    submit(scheduler, 48, 30);
    submit(scheduler, 48, 30);
    run(scheduler);
    expect(scheduler.totals().prefixQueries).toBe(96);
  });
});
