import { describe, expect, test } from "bun:test";
import { allocateCourt, buryCourt } from "../../src/health/court.ts";
import type { Lineup, Outliers } from "../../src/health/outliers.ts";
import type { Ending } from "../../src/health/trials.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock } from "../support/clock.ts";
import { inThreads } from "../support/threads.ts";
import type { Judged, JudgingWork } from "./judging-thread.ts";
import { createThreadsOfOutliers } from "./several-outliers.ts";

const breaker = { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 };
const broken: Ending = { reason: "it answered 500", isUnreachable: false };

const start = () => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const ejections: string[] = [];
  const { memory, threads, see } = createThreadsOfOutliers(
    { breaker, slowStartMs: 30_000 },
    {
      clock,
      log,
      random: () => 0.5,
      healthChangedAt: () => undefined,
      onEjected: (url) => ejections.push(url),
    },
  );
  const ids = ["e0", "e1", "e2", "e3"];
  const endpoint = (id: string) => ({ id, url: `http://${id}`, models: ["m"], addedAt: 0 });
  const lineupOf = (able: readonly string[]): Lineup => ({
    endpoints: new Map(ids.map((id) => [id, endpoint(id)])),
    able: new Set(able),
    pools: [able],
  });
  see(lineupOf(ids));
  clock.advance(60_000);
  const at = (row: number): Outliers => {
    const thread = threads[row];
    if (!thread) throw new Error(`there is no thread ${row}`);
    return thread;
  };
  const begin = (row: number, id = "e0") => at(row).begin(endpoint(id));
  const send = (row: number, ending: Ending, id = "e0"): void => {
    const trial = begin(row, id);
    if (ending === "ended") trial.answered();
    trial.end(ending);
  };
  const states = (id = "e0"): readonly string[] => threads.map(({ standingOf }) => standingOf(id).state);
  return { clock, lines, ejections, memory, at, begin, send, states, lineupOf };
};

describe("an engine that several threads judge", () => {
  test("is ejected for failures that none of them has enough of, once, and all know it at once", () => {
    const { send, states, ejections, at } = start();
    for (const row of [0, 1, 2, 0]) send(row, broken);
    expect(states()).toEqual(["serving", "serving", "serving"]);
    send(1, broken);
    expect(states()).toEqual(["ejected", "ejected", "ejected"]);
    expect(ejections).toEqual(["http://e0"]);
    for (const row of [0, 1, 2]) expect(at(row).isQuiet()).toBe(false);
  });

  test("is not ejected for failures in one of them while it answers another", () => {
    const { send, states } = start();
    for (let round = 0; round < 20; round += 1) {
      for (const row of [0, 0, 0, 0]) send(row, broken);
      for (let answers = 0; answers < 9; answers += 1) send(2, "ended");
    }
    expect(states()).toEqual(["serving", "serving", "serving"]);
  });

  test("is ejected where most of all their requests fail", () => {
    const { send, states } = start();
    for (let round = 0; round < 12; round += 1) {
      send(0, "ended");
      send(1, broken);
    }
    expect(states()[2]).toBe("serving");
    send(2, broken);
    expect(states()[2]).toBe("ejected");
  });

  test("is probed by one request at a time, of whichever thread", () => {
    const { clock, begin, send, at, states } = start();
    for (let count = 0; count < 5; count += 1) send(0, broken);
    clock.advance(5000);
    expect(states()).toEqual(["half_open", "half_open", "half_open"]);
    const probe = begin(2);
    expect([probe.isBeside, begin(0).isBeside, begin(1).isBeside]).toEqual([false, true, true]);
    expect([0, 1, 2].map((row) => at(row).standingOf("e0").isOpen)).toEqual([false, false, false]);
    probe.end(broken);
    expect(states()).toEqual(["ejected", "ejected", "ejected"]);
  });

  test("comes back for all of them, with nothing left of what any of them saw before", () => {
    const { clock, send, states, lines } = start();
    for (const row of [0, 1, 1, 1]) send(row, broken);
    send(2, broken);
    clock.advance(15_000);
    send(1, "ended");
    expect(states()).toEqual(["slow_start", "slow_start", "slow_start"]);
    expect(lines.filter((line) => line.includes("answers again"))).toHaveLength(1);
    clock.advance(20_000);
    for (const row of [0, 1, 2, 0]) send(row, broken);
    expect(states()).toEqual(["slow_start", "slow_start", "slow_start"]);
    send(1, broken);
    expect(states()).toEqual(["ejected", "ejected", "ejected"]);
  });

  test("is probed again when the thread died in which its probe was", () => {
    const { clock, begin, send, at, memory } = start();
    for (let count = 0; count < 5; count += 1) send(0, broken);
    clock.advance(5000);
    begin(2);
    buryCourt(memory, 1);
    expect(at(0).standingOf("e0").isOpen).toBe(false);
    buryCourt(memory, 2);
    expect(at(0).standingOf("e0").isOpen).toBe(true);
    expect(begin(1).isBeside).toBe(false);
  });

  test("gets its share bit by bit when it comes, from when the first thread sees it and whenever the others do", () => {
    const { clock, at, states, lineupOf } = start();
    const before = lineupOf(["e0", "e1"]);
    const after = lineupOf(["e0", "e1", "e2"]);
    for (const row of [0, 1, 2]) at(row).see(before);
    at(1).see(after);
    expect(states("e2")).toEqual(["serving", "serving", "serving"]);
    at(0).see(after);
    expect(states("e2")).toEqual(["slow_start", "slow_start", "slow_start"]);
    clock.advance(30_000);
    at(2).see(after);
    expect(states("e2")).toEqual(["serving", "serving", "serving"]);
  });

  test("can be judged although a thread died that was about to", () => {
    const { send, states, memory } = start();
    Atomics.store(memory.numbers, 0, 2 + 1);
    buryCourt(memory, 2);
    for (let count = 0; count < 5; count += 1) send(0, broken);
    expect(states()).toEqual(["ejected", "ejected", "ejected"]);
  });
});

test("threads that judge at once eject each engine once and no more than may be, and probe by one request at a time", async () => {
  const threads = 2;
  const options = { breaker, slowStartMs: 0 };
  const urls = ["http://a", "http://b", "http://c", "http://d"];
  const memory = allocateCourt({ rows: threads + 1, slots: 8 }, breaker.failureThreshold);
  const number = () => new Int32Array(new SharedArrayBuffer(4));
  const probing = new Int32Array(new SharedArrayBuffer(4 * 2 * urls.length));
  const barriers = [number(), number(), number(), number()];
  const work = (row: number): JudgingWork => ({ memory, row, threads, barriers, options, urls, probing });
  const said = (await inThreads(new URL("judging-thread.ts", import.meta.url), [
    work(1),
    work(2),
  ])) as readonly Judged[];
  const ejections = said.flatMap(({ ejections: each }) => each);
  expect(ejections).toHaveLength(2);
  expect(new Set(ejections).size).toBe(2);
  for (const { probes } of said) expect(probes).toBeGreaterThan(0);
  expect(urls.map((_, index) => probing[2 * index] ?? -1)).toEqual([0, 0, 0, 0]);
  expect(Math.max(...urls.map((_, index) => probing[2 * index + 1] ?? 0))).toBe(1);
  expect(said.map(({ state }) => state)).toEqual(Array(threads).fill("serving,serving,serving,serving"));
});
