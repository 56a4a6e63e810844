import { expect, test } from "bun:test";
import { createEngineSet } from "../../src/discovery/engine-set.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { serving, createTestLog } from "./engines.ts";
import { object, unready } from "./sets.ts";

const heapBytes = (): number => {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
};

test("100,000 events of pods that come, sleep, flap and go leave nothing behind", async () => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const sleep = createSleepStates();
  const seen = new Set<string>();
  const answer = serving("m");
  await using set = createEngineSet(
    { what: "pods", selected: "pods with app=vllm in namespace default", timeoutMs: 10_000 },
    { clock, fetch: async () => answer(), log, random: () => 0.5, known: [], seen, sleep },
  );
  const live = async (nth: number): Promise<void> => {
    const name = `pod-${nth}`;
    const at = { url: `http://10.0.0.${nth % 40}:8000` };
    set.see(unready(name));
    set.see(object(name, at));
    await settle();
    set.see(object(name, { ...at, isMarkedAsleep: true }));
    set.see(object(name, at));
    for (let flap = 0; flap < 2; flap += 1) {
      set.see(unready(name));
      set.see(object(name, at));
    }
    await settle();
    clock.advance(100);
    if (set.endpoints.length === 0) throw new Error("nobody serves");
    set.see(unready(name, "it is terminating"));
    set.lose(object(name));
    lines.length = 0;
  };
  for (let nth = 0; nth < 1000; nth += 1) await live(nth);
  const before = heapBytes();
  for (let nth = 1000; nth < 11_000; nth += 1) await live(nth);
  await settle();
  expect(heapBytes() - before).toBeLessThan(4_000_000);
  expect(set.counts()).toEqual({ serving: 0, waiting: 0, unready: 0 });
  expect([sleep.asleep.size, seen.size, clock.waiting().length]).toEqual([0, 1, 0]);
}, 60_000);
