import { describe, expect, test } from "bun:test";
import { type AdmissionLimits, createAdmission } from "../../src/admission/admission.ts";
import type { Place } from "../../src/admission/engine-room.ts";
import {
  allocateAdmission,
  buryAdmission,
  countOn,
  joinAdmission,
} from "../../src/admission/shared-admission.ts";
import { RouterError } from "../../src/core/errors.ts";
import { systemClock } from "../../src/platform.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { inThreads } from "../support/threads.ts";
import type { AdmissionWork } from "./admission-thread.ts";

const ROWS = 3;

/** Admissions as three threads have them. */
const start = (limits: Partial<AdmissionLimits> = {}) => {
  const clock = createTestClock();
  const memory = allocateAdmission({ rows: ROWS, slots: 4 });
  const slots = new Map([["a", 2]]);
  const join = (row: number) => {
    const state = joinAdmission(memory, { row, slotOf: (id) => slots.get(id) }, { clock });
    const admission = createAdmission(
      { maxConcurrent: 2, queueSize: 10, queueTimeoutMs: 30_000, ...limits },
      { clock, state, isShort: () => false, metrics: { queued: () => {}, rejected: () => {} } },
    );
    return { state, admission };
  };
  const threads = Array.from({ length: ROWS }, (_, row) => join(row));
  const got: string[] = [];
  const client = (signal = new AbortController().signal) => ({
    signal,
    dueAt: Number.POSITIVE_INFINITY,
    allowSilence: () => {},
    limitSilence: () => {},
  });
  const at = (row: number) => threads[row] ?? join(row);
  return {
    clock,
    memory,
    slots,
    got,
    client,
    at,
    replace: (row: number) => (threads[row] = join(row)),
    /** A place in a thread; noted when it is there, or the code of the refusal. */
    enter: async (row: number, name: string, signal?: AbortSignal): Promise<Place | undefined> => {
      try {
        const place = await at(row).admission.enter(client(signal));
        got.push(name);
        return place;
      } catch (error) {
        got.push(`${name}: ${error instanceof RouterError ? error.code : String(error)}`);
        return undefined;
      }
    },
    counts: () => {
      const { underWay, waiting } = at(0).state;
      return [underWay.value(), waiting.value()];
    },
  };
};

/** Until those who were called have looked. */
const looked = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await settle();
};

describe("places that several threads share", () => {
  test("are as many as may be over all of them", async () => {
    const { enter, got, counts } = start({ queueSize: 0 });
    const place = await enter(0, "one");
    await enter(1, "two");
    await enter(2, "three");
    expect(counts()).toEqual([2, 0]);
    place?.leave();
    place?.leave();
    await enter(2, "four");
    await enter(1, "five");
    expect(got).toEqual(["one", "two", "three: queue_full", "four", "five: queue_full"]);
  });

  test("go to those who wait in the order in which they came, wherever these are", async () => {
    const { enter, got, counts } = start({ maxConcurrent: 1 });
    const first = await enter(0, "first");
    const order = [1, 0, 2, 2, 1, 0, 1];
    const waiting = order.map(async (row, index) => enter(row, `${index}`));
    await looked();
    expect(counts()).toEqual([1, order.length]);
    let place: Place | undefined = first;
    for (const each of waiting) {
      place?.leave();
      await looked();
      place = await each;
    }
    place?.leave();
    expect(got).toEqual(["first", ...order.keys().map(String)]);
    expect(counts()).toEqual([0, 0]);
  });

  test("go to nobody who came after those who wait elsewhere", async () => {
    const { enter, got, at, client } = start({ maxConcurrent: 1 });
    const first = await enter(0, "first");
    const waiting = enter(1, "waiting");
    await looked();
    first?.leave();
    // It is free, but the other thread has not looked yet.
    const next = at(0).admission.enter(client());
    expect(next).toBeInstanceOf(Promise);
    await looked();
    expect(got).toEqual(["first", "waiting"]);
    (await waiting)?.leave();
    await next;
  });

  test("go to whoever is next where the first one left, elsewhere too", async () => {
    const { enter, got } = start({ maxConcurrent: 1 });
    const first = await enter(0, "first");
    const leaving = new AbortController();
    const gone = enter(1, "gone", leaving.signal);
    await looked();
    const next = enter(2, "next");
    await looked();
    leaving.abort();
    await gone;
    first?.leave();
    await looked();
    expect(got).toEqual(["first", "gone: client_closed", "next"]);
    await next;
  });

  test("are not kept for a thread that is held up", async () => {
    const { clock, enter, got, at } = start({ maxConcurrent: 1 });
    const first = await enter(0, "first");
    // Somebody waits there who never takes anything.
    at(2)
      .state.places.wait(() => undefined, { timeoutMs: 60_000, signal: new AbortController().signal })
      .catch(() => {});
    const behind = enter(0, "behind");
    first?.leave();
    await looked();
    expect(got).toEqual(["first"]);
    clock.advance(5);
    await behind;
    expect(got).toEqual(["first", "behind"]);
  });

  test("are given back to those who wait by a thread that dies", async () => {
    const { memory, enter, got, counts } = start();
    await enter(1, "one");
    await enter(1, "two");
    const waiting = [enter(2, "three"), enter(0, "four")];
    await looked();
    expect(counts()).toEqual([2, 2]);
    buryAdmission(memory, 1);
    await Promise.all(waiting);
    expect(got).toEqual(["one", "two", "three", "four"]);
    expect(counts()).toEqual([2, 0]);
  });

  test("have as many waiting for them as may over all threads", async () => {
    const { enter, got, counts } = start({ maxConcurrent: 1, queueSize: 2 });
    await enter(0, "one");
    void enter(0, "two");
    void enter(1, "three");
    await enter(2, "four");
    expect(got).toEqual(["one", "four: queue_full"]);
    expect(counts()).toEqual([1, 2]);
  });
});

describe("room on an engine that several threads share", () => {
  const engine = { endpoint: { id: "a" }, requests: { inPrefill: 0, inDecode: 0 } };

  test("is for as many as may be over all of them, given back once", () => {
    const { at, memory } = start({ maxPerEngine: 2 });
    const [first, second] = [at(0).admission.room?.take(engine), at(1).admission.room?.take(engine)];
    expect(second).toBeDefined();
    expect(at(2).admission.room?.take(engine)).toBeUndefined();
    first?.leave();
    first?.leave();
    expect(countOn(memory, 2)).toBe(1);
    expect(at(2).admission.room?.take(engine)).toBeDefined();
    expect(at(1).admission.room?.take(engine)).toBeUndefined();
  });

  test("is waited for in another thread than the one that gives it back", async () => {
    const { at, client } = start({ maxPerEngine: 1 });
    const place = at(0).admission.room?.take(engine);
    const waiting = at(1).admission.room?.among(() => [engine], client(), false);
    expect(waiting).toBeInstanceOf(Promise);
    place?.leave();
    await looked();
    expect(await waiting).toEqual([engine]);
  });

  test("is counted without a limit as well, for a reload may bring one", () => {
    const { at, memory } = start();
    const place = at(1).admission.room?.take(engine);
    expect(countOn(memory, 2)).toBe(1);
    place?.leave();
    expect(countOn(memory, 2)).toBe(0);
  });

  test("is what accounts tell where the engine has no slot", () => {
    const { at, slots } = start({ maxPerEngine: 2 });
    slots.clear();
    const take = (inPrefill: number) =>
      at(0).admission.room?.take({ ...engine, requests: { inPrefill, inDecode: 1 } });
    expect([take(0) !== undefined, take(1) !== undefined]).toEqual([true, false]);
  });
});

test("threads that ask at once are never let in by more than may be, all get their turn, and nothing is left", async () => {
  const threads = 2;
  const memory = allocateAdmission({ rows: threads + 1, slots: 4 });
  const inside = new Int32Array(new SharedArrayBuffer(6 * 4));
  const barrier = new Int32Array(new SharedArrayBuffer(4));
  const limits = { maxConcurrent: 7, maxPerEngine: 2 };
  const work = (row: number, kept: number): AdmissionWork => ({
    memory,
    row,
    threads,
    barrier,
    inside,
    kept,
    clients: 20,
    requests: 150,
    ...limits,
  });
  const said = await inThreads(new URL("admission-thread.ts", import.meta.url), [work(1, 0), work(2, 3)]);
  expect(said).toEqual(["done", "done"]);
  const [now, most, onA, mostOnA, onB, mostOnB] = inside;
  expect({ now, most, onA, mostOnA, onB, mostOnB }).toEqual({
    now: 0,
    most: limits.maxConcurrent,
    onA: 0,
    mostOnA: limits.maxPerEngine,
    onB: 0,
    mostOnB: limits.maxPerEngine,
  });
  const { underWay, waiting } = joinAdmission(
    memory,
    { row: 0, slotOf: () => undefined },
    { clock: systemClock },
  );
  expect([underWay.value(), waiting.value(), countOn(memory, 0), countOn(memory, 1)]).toEqual([3, 0, 0, 0]);
  buryAdmission(memory, 2);
  expect(underWay.value()).toBe(0);
});
