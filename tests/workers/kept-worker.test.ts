import { describe, expect, test } from "bun:test";
import { keepWorker } from "../../src/workers/kept-worker.ts";
import type { Worker } from "../../src/workers/worker.ts";
import { createTestClock, settle } from "../support/clock.ts";

/** Keeps workers that end when a test says so. */
const keepTest = () => {
  const clock = createTestClock();
  const lines: string[] = [];
  const gone: string[] = [];
  const started: { readonly at: number; readonly end: (reason: string) => void }[] = [];
  let beats = 0;
  let isWanted = true;
  const start = (): Worker => {
    const ended = Promise.withResolvers<string>();
    started.push({ at: clock.monotonic(), end: ended.resolve });
    return {
      listening: Promise.resolve("http://here"),
      ended: ended.promise,
      post: () => {},
      ask: async () => undefined,
      terminate: async () => ended.resolve("ended with 1"),
    };
  };
  const write = (line: string): void => void lines.push(line);
  const log = {
    debug: write,
    info: write,
    infoBlock: () => {},
    warning: write,
    error: write,
    isEnabled: () => true,
  };
  const kept = keepWorker(
    { row: 3, start, beats: () => beats, isWanted: () => isWanted },
    { clock, log, onGone: (reason) => void gone.push(reason) },
  );
  /** So many seconds pass, in each of which the worker gives a sign or none. */
  const pass = async (seconds: number, lives: boolean): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      if (lives) beats += 1;
      clock.advance(1000);
      await settle();
    }
  };
  const leave = (): void => {
    isWanted = false;
  };
  return { clock, kept, lines, gone, started, pass, leave };
};

describe("a worker that is kept", () => {
  test("is replaced when it ends, later and later while it ends soon, and what it left is settled before", async () => {
    const { clock, kept, gone, started, lines } = keepTest();
    const pauses: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      started.at(-1)?.end("failed: out of luck");
      await settle();
      expect(gone).toHaveLength(round + 1);
      const before = started.length;
      const since = clock.monotonic();
      while (started.length === before) {
        clock.advance(100);
        await settle();
      }
      pauses.push(clock.monotonic() - since);
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    expect(lines[0]).toBe(
      "Worker 3 failed: out of luck, and its requests with it; another one starts in 0.1 s",
    );
    expect(lines[1]).toBe("Worker 3 serves again");
    await kept[Symbol.asyncDispose]();
  });

  test("begins anew with its pauses when one has lived for long", async () => {
    const { clock, kept, started, pass } = keepTest();
    for (const pause of [100, 200]) {
      started.at(-1)?.end("ended with 1");
      await settle();
      clock.advance(pause);
      await settle();
    }
    await pass(60, true);
    started.at(-1)?.end("ended with 1");
    await settle();
    clock.advance(100);
    await settle();
    expect(started).toHaveLength(4);
    await kept[Symbol.asyncDispose]();
  });

  test("is ended when it gives no sign of life, and not before", async () => {
    const { kept, lines, started, pass } = keepTest();
    await pass(100, true);
    await pass(29, false);
    await pass(1, true);
    await pass(29, false);
    expect(lines).toEqual([]);
    await pass(1, false);
    expect(lines[0]).toBe("Worker 3 has not moved for 30 s and is ended");
    await pass(1, false);
    expect(started).toHaveLength(2);
    await kept[Symbol.asyncDispose]();
  });

  test("is not taken for hanging when the whole process stood still", async () => {
    const { clock, kept, lines, pass } = keepTest();
    await pass(5, true);
    clock.stall(3_600_000);
    await pass(20, false);
    await pass(5, true);
    expect(lines).toEqual([]);
    await kept[Symbol.asyncDispose]();
  });

  test("has no successor where all are to end, but what it left is settled", async () => {
    const { clock, gone, lines, started, leave } = keepTest();
    leave();
    started[0]?.end("ended with 1");
    await settle();
    clock.advance(60_000);
    await settle();
    expect(gone).toEqual(["ended with 1"]);
    expect(lines).toEqual(["Worker 3 ended with 1, and its requests with it"]);
    expect(started).toHaveLength(1);
  });

  test("has no successor when the keeper is gone, also where one was about to start", async () => {
    const { clock, kept, started } = keepTest();
    started[0]?.end("ended with 1");
    await settle();
    await kept[Symbol.asyncDispose]();
    clock.advance(60_000);
    await settle();
    expect(started).toHaveLength(1);
    expect(clock.waiting()).toEqual([]);
  });
});
