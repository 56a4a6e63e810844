import { expect, test } from "bun:test";
import { createEngineLoop, type EngineLoop, type LoopObserver } from "../../src/mock-engine/engine-loop.ts";
import { createScheduler, type Scheduler } from "../../src/mock-engine/scheduler.ts";
import type { Sequence } from "../../src/mock-engine/sequence.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";

const unobserved: LoopObserver = {
  submitted: () => {},
  stepBegan: () => {},
  stepEnded: () => {},
  aborted: () => {},
};

interface Rig {
  readonly clock: ManualClock;
  readonly scheduler: Scheduler;
  readonly loop: EngineLoop;
  /** Times at which the sequences gained tokens, oldest first. */
  readonly times: number[];
  readonly submit: (promptTokens: number, outputTokens: number) => Sequence;
}

const rig = (timeScale: number): Rig => {
  const clock = createManualClock(5000);
  const scheduler = createScheduler({
    maxNumBatchedTokens: 8192,
    maxNumSeqs: 256,
    blockSize: 16,
    numGpuBlocks: 1000,
    prefillTokensPerSecond: 1000,
    decodeMs: 10,
    decodeMsPerSeq: 0,
  });
  const loop = createEngineLoop(scheduler, timeScale, { clock, observer: unobserved });
  const times: number[] = [];
  const submit = (promptTokens: number, outputTokens: number): Sequence =>
    loop.submit({ promptTokens, outputTokens, blockHashes: [] }, () => times.push(clock.monotonic() - 5000));
  return { clock, scheduler, loop, times, submit };
};

test("tokens come when the scheduler says, in the time of the clock", async () => {
  const { clock, times, submit } = rig(1);
  submit(100, 3);
  await clock.advance(99);
  expect(times).toEqual([]);
  await clock.advance(1000);
  expect(times).toEqual([100, 110, 120]);
  expect(clock.pending()).toBe(0);
});

test("a time scale of 2 halves every time", async () => {
  const { clock, times, submit } = rig(2);
  submit(100, 3);
  await clock.advance(1000);
  expect(times).toEqual([50, 55, 60]);
});

test("a time scale of 0 needs no time and no timer", async () => {
  const { clock, times, submit } = rig(0);
  submit(100, 3);
  await clock.advance(0);
  expect(times).toEqual([0, 0, 0]);
  expect(clock.pending()).toBe(0);
});

test("a long run of steps that take no time lets other events have their turn", async () => {
  const { clock, times, submit } = rig(0);
  submit(1, 10_000);
  // One turn of the microtask queue, in which no timer can fire.
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  expect(times.length).toBe(4096);
  await clock.advance(0);
  expect(times.length).toBe(10_000);
});

test("requests of one turn start together", async () => {
  const { clock, times, submit } = rig(1);
  submit(100, 1);
  submit(100, 1);
  await clock.advance(1000);
  expect(times).toEqual([200, 200]);
});

test("a late timer does not slow the engine down: the steps behind it are made up for", async () => {
  const { clock, times, submit } = rig(1);
  submit(100, 4);
  // 1.1 ms steps on a clock that wakes every 4 ms would otherwise take four times as long.
  const late = createManualClock();
  const scheduler = createScheduler({
    maxNumBatchedTokens: 10,
    maxNumSeqs: 1,
    blockSize: 16,
    numGpuBlocks: 100,
    prefillTokensPerSecond: 1000,
    decodeMs: 1.1,
    decodeMsPerSeq: 0,
  });
  const coarse = {
    ...late,
    after: (ms: number, task: () => void) => late.after(Math.ceil(ms / 4) * 4, task),
  };
  const loop = createEngineLoop(scheduler, 1, { clock: coarse, observer: unobserved });
  let last = 0;
  loop.submit({ promptTokens: 1, outputTokens: 101, blockHashes: [] }, () => (last = late.monotonic()));
  await late.advance(1000);
  expect(last).toBeGreaterThanOrEqual(111);
  expect(last).toBeLessThan(116);
  await clock.advance(1000);
  expect(times).toEqual([100, 110, 120, 130]);
});

test("a process that was stopped for long goes on from now", async () => {
  const clock = createManualClock();
  let stall = 0;
  const stalling = { ...clock, monotonic: () => clock.monotonic() + stall };
  const scheduler = rig(1).scheduler;
  const loop = createEngineLoop(scheduler, 1, { clock: stalling, observer: unobserved });
  const times: number[] = [];
  loop.submit({ promptTokens: 10, outputTokens: 3, blockHashes: [] }, () => times.push(stalling.monotonic()));
  await clock.advance(5);
  stall = 10_000;
  await clock.advance(100);
  expect(times).toEqual([10_010, 10_020, 10_030]);
});

test("an aborted sequence hears nothing more, and its blocks are free at once", async () => {
  const { clock, scheduler, loop, times, submit } = rig(1);
  const sequence = submit(100, 30);
  await clock.advance(125);
  loop.abort(sequence);
  expect([scheduler.running(), scheduler.usage()]).toEqual([0, 0]);
  await clock.advance(1000);
  expect(times).toEqual([100, 110, 120]);
});

test("a listener may abort a sequence of the same step", async () => {
  const { clock, loop } = rig(1);
  let heard = 0;
  const sequences: Sequence[] = [];
  const listen = (): void => {
    heard += 1;
    for (const sequence of sequences) loop.abort(sequence);
  };
  for (let count = 0; count < 3; count += 1) {
    sequences.push(loop.submit({ promptTokens: 10, outputTokens: 5, blockHashes: [] }, listen));
  }
  await clock.advance(1000);
  expect(heard).toBe(1);
});

test("abortAll tells every listener, of waiting sequences too", async () => {
  const { clock, loop, scheduler } = rig(1);
  const heard: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    loop.submit({ promptTokens: 8000, outputTokens: 5, blockHashes: [] }, ({ status }) => heard.push(status));
  }
  await clock.advance(10);
  loop.abortAll();
  expect(heard).toEqual(["aborted", "aborted", "aborted"]);
  expect([scheduler.running(), scheduler.waiting()]).toEqual([0, 0]);
  await clock.advance(100_000);
  expect(heard).toHaveLength(3);
});

test("while it is paused nothing starts, and what was under way goes on afterwards", async () => {
  const { clock, loop, times, submit } = rig(1);
  submit(100, 3);
  await clock.advance(50);
  loop.pause();
  await clock.advance(1000);
  expect(times).toEqual([100]);
  loop.resume();
  await clock.advance(1000);
  expect(times).toEqual([100, 1060, 1070]);
});

test("a disposed loop leaves no timer and says nothing", async () => {
  const { clock, loop, times, submit } = rig(1);
  submit(100, 3);
  await clock.advance(105);
  loop[Symbol.dispose]();
  await clock.advance(1000);
  expect(times).toEqual([100]);
  expect(clock.pending()).toBe(0);
});
