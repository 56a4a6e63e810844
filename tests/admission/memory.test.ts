import { expect, test } from "bun:test";
import { createMemoryWatch } from "../../src/admission/memory.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";

/** A watch over a share that a test sets. */
const start = async (initial?: number) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  let used = initial;
  let reads = 0;
  let collections = 0;
  const watch = createMemoryWatch(
    async () => {
      reads += 1;
      return used === undefined ? undefined : { used, limit: 100 };
    },
    { clock, log, collect: () => (collections += 1) },
  );
  await settle();
  return {
    clock,
    watch,
    lines,
    reads: () => reads,
    collections: () => collections,
    /** What it says when it has looked after so much is in use. */
    at: async (percent: number | undefined) => {
      used = percent;
      clock.advance(250);
      await settle();
      return [watch.isTight(), watch.isShort()];
    },
  };
};

test("memory is tight from 75 % and short from 85 %, and stays so until 5 % less is in use", async () => {
  const { at, watch } = await start(10);
  expect([watch.isTight(), watch.isShort()]).toEqual([false, false]);
  expect(await at(74)).toEqual([false, false]);
  expect(await at(75)).toEqual([true, false]);
  expect(await at(70)).toEqual([true, false]);
  expect(await at(85)).toEqual([true, true]);
  expect(await at(80)).toEqual([true, true]);
  expect(await at(79)).toEqual([true, false]);
  expect(await at(69)).toEqual([false, false]);
});

test("it is known from the start on, and each change is logged once", async () => {
  const { at, watch, lines } = await start(90);
  expect(watch.isShort()).toBe(true);
  await at(95);
  await at(50);
  await at(50);
  expect(lines.map((line) => line.replace(/^\[.*?\] (.*) \(vllm_router\)\n$/, "$1"))).toEqual([
    "WARNING: No further requests are taken: 90 % of the memory limit is in use",
    "INFO: Requests are taken again: 50 % of the memory limit is in use",
  ]);
});

test("garbage is collected while memory is tight, and not otherwise", async () => {
  const { at, collections } = await start(10);
  await at(60);
  expect(collections()).toBe(0);
  await at(80);
  await at(80);
  expect(collections()).toBe(2);
});

test("where nothing limits the memory it is asked once", async () => {
  const { clock, watch, reads } = await start();
  expect([clock.waiting(), reads(), watch.isShort()]).toEqual([[], 1, false]);
  await watch[Symbol.asyncDispose]();
});

test("where it cannot be read for a while nobody is turned away, and it is read again", async () => {
  const { at } = await start(90);
  expect(await at(undefined)).toEqual([false, false]);
  expect(await at(90)).toEqual([true, true]);
});

test("it ends with nothing left to do", async () => {
  const { clock, watch } = await start(10);
  await watch[Symbol.asyncDispose]();
  expect(clock.waiting()).toEqual([]);
});
