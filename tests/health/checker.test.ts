import { describe, expect, test } from "bun:test";
import type { Finding } from "../../src/health/checker.ts";
import { dead, fail, never, pass, start, times } from "./started-checker.ts";

describe("the checker", () => {
  test("probes each target at its interval, from somewhere in it on", async () => {
    const { checker, probes, live, changes } = start();
    await live(18);
    expect(times(probes)).toEqual([2500, 7500, 12_500, 17_500]);
    expect([changes, [...checker.down]]).toEqual([[], []]);
  });

  test("varies the interval by a fifth, and spreads the first probes of long intervals over 5 s", async () => {
    const early = start({ random: () => 0 });
    await early.live(9);
    expect(times(early.probes)).toEqual([0, 4000, 8000]);
    const late = start({ random: () => 0.999_999, intervalMs: 60_000 });
    await late.live(80);
    expect(times(late.probes).map(Math.round)).toEqual([5000, 77_000]);
  });

  test("excludes after three failures, which follow sooner, and includes after two passes and a hold-down", async () => {
    const { checker, probes, live, answer, changes } = start();
    answer(async () => fail);
    await live(6);
    expect(times(probes)).toEqual([2500, 4500]);
    expect(changes).toEqual([]);
    await live(1);
    expect([changes, [...checker.down]]).toEqual([["a down: broken"], ["a"]]);
    answer(async () => pass);
    await live(13);
    // Two passes at 8.5 s and 10.5 s, but the change at 6.5 s is 15 s ago only later.
    expect([...checker.down]).toEqual(["a"]);
    await live(3);
    expect([changes.slice(1), [...checker.down]]).toEqual([["a up: fine"], []]);
  });

  test("asks what is down whether it is back every few seconds, however long the interval", async () => {
    const { probes, live, answer, changes } = start({ keys: ["a", "b"], intervalMs: 60_000 });
    const ofA = () => times(probes.filter(({ key }) => key === "a"));
    answer(async (key) => (key === "a" ? fail : pass));
    await live(27);
    expect(ofA()).toEqual([2500, 4500, 6500, 11_500, 16_500, 21_500, 26_500]);
    answer(async () => pass);
    await live(20);
    expect(changes).toEqual(["a down: broken", "a up: fine"]);
    expect(ofA().slice(7)).toEqual([31_500, 33_500]);
  });

  test("asks more often while nothing is left", async () => {
    const { checker, probes, live, answer } = start({ keys: ["a", "b"], intervalMs: 60_000 });
    answer(async () => fail);
    await live(60);
    const ofA = times(probes.filter(({ key }) => key === "a")).slice(-5);
    expect(ofA.slice(1).map((at, index) => at - (ofA[index] ?? 0))).toEqual([2000, 2000, 2000, 2000]);
    answer(async () => pass);
    await live(4);
    expect([...checker.down]).toEqual([]);
  });

  test("excludes at once who reports itself dead", async () => {
    const { checker, live, answer, changes } = start();
    answer(async () => dead);
    await live(2.5);
    expect([changes, [...checker.down]]).toEqual([["a down: dead"], ["a"]]);
  });

  test("does not flap with an engine that is up for a second and down for a second", async () => {
    let seed = 1;
    // A generator of Lehmer: the same run each time, and phases of every kind.
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const { clock, live, answer, changedAt } = start({ random, thresholds: { fall: 1, rise: 1 } });
    answer(async () => (Math.floor(clock.monotonic() / 1000) % 2 === 0 ? pass : fail));
    await live(600);
    expect(changedAt.length).toBeGreaterThan(20);
    const crowded = changedAt.filter(
      (at, index) => (changedAt[index + 2] ?? Number.POSITIVE_INFINITY) - at < 30_000,
    );
    expect(crowded).toEqual([]);
  });

  test("takes a rejection for a failure, and a change is told once", async () => {
    const { live, answer, changes } = start({ keys: ["a", "b"] });
    const refused = Object.assign(new TypeError("Is the computer on?"), { code: "ECONNREFUSED" });
    answer(async (key) => Promise.reject(key === "a" ? refused : new Error("it broke")));
    await live(60);
    expect(changes.sort()).toEqual(["a down: no answer (ECONNREFUSED)", "b down: it broke"]);
  });

  test("ends a probe after its time, which is a failure", async () => {
    const { live, answer, changes, aborted } = start();
    answer(async (_key, signal) => never(signal));
    await live(4.4);
    expect(aborted()).toBe(0);
    await live(0.1);
    expect(aborted()).toBe(1);
    await live(8);
    expect(changes).toEqual(["a down: no answer in 2 s"]);
  });

  test("is settled about what accepts and says nothing 6 s after it first asked", async () => {
    const { live, answer, probes, changes, changedAt } = start();
    answer(async (_key, signal) => never(signal));
    await live(10);
    expect(changes).toEqual(["a down: no answer in 2 s"]);
    expect(times(probes).slice(0, 3)).toEqual([2500, 4500, 6500]);
    expect(changedAt).toEqual([8500]);
  });

  test("does not take a busy target that lets probes time out for dead, for as long as it is busy", async () => {
    let busy = true;
    const { live, answer, changes } = start({ isBusy: () => busy });
    answer(async (_key, signal) => never(signal));
    await live(60);
    expect(changes).toEqual([]);
    busy = false;
    await live(12);
    expect(changes).toEqual(["a down: no answer in 2 s"]);
  });

  test("takes a busy target that fails in another way for what it is", async () => {
    const { live, answer, changes } = start({ isBusy: () => true });
    answer(async () => fail);
    await live(7);
    expect(changes).toEqual(["a down: broken"]);
  });

  test("makes nothing of what it found while the event loop lagged", async () => {
    const { clock, live, answer, changes, probes } = start();
    let stalls = 0;
    answer(async () => {
      stalls += 1;
      clock.stall(stalls <= 20 ? 500 : 0);
      return dead;
    });
    await live(30);
    expect(stalls).toBeGreaterThan(10);
    expect(changes).toEqual([]);
    await live(30);
    expect(changes).toEqual(["a down: dead"]);
    expect(probes.length).toBeGreaterThan(20);
  });

  test("has no more than 16 probes under way, and every target gets its turn", async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `engine ${index}`);
    const { live, answer, probes } = start({ keys });
    let underWay = 0;
    let most = 0;
    answer(async (_key, signal) => {
      underWay += 1;
      most = Math.max(most, underWay);
      return never(signal).finally(() => (underWay -= 1));
    });
    await live(10);
    expect(most).toBe(16);
    expect(new Set(probes.map(({ key }) => key)).size).toBe(40);
  });

  test("is not held up by a target that does not answer", async () => {
    const { live, answer, probes } = start({ keys: ["slow", "quick"] });
    answer(async (key, signal) => (key === "slow" ? never(signal) : pass));
    await live(23);
    expect(times(probes.filter(({ key }) => key === "quick"))).toEqual([2500, 7500, 12_500, 17_500, 22_500]);
  });

  test("follows what there is to probe, and forgets what is gone", async () => {
    const { checker, live, answer, retarget, probes, changes } = start();
    answer(async (key) => (key === "a" ? dead : pass));
    await live(3);
    expect([...checker.down]).toEqual(["a"]);
    retarget("b");
    await live(10);
    expect([...checker.down]).toEqual([]);
    expect(probes.filter(({ key }) => key === "b").length).toBeGreaterThan(0);
    expect(probes.filter(({ key }) => key === "a")).toHaveLength(1);
    retarget("a");
    await live(1);
    // It comes back as one of which nothing is known.
    expect([...checker.down]).toEqual([]);
    expect(changes).toEqual(["a down: dead"]);
  });

  test("makes nothing of the last probe of a target that is gone", async () => {
    const { live, answer, retarget, changes, states } = start();
    const { promise, resolve } = Promise.withResolvers<Finding>();
    answer(async () => promise);
    await live(3);
    retarget();
    await live(1);
    resolve(dead);
    await live(1);
    expect([changes, [...states]]).toEqual([[], []]);
  });

  test("replaces what is down with every change, and only then", async () => {
    const { checker, live, answer } = start({ keys: ["a", "b"] });
    const before = checker.down;
    await live(10);
    expect(checker.down).toBe(before);
    answer(async (key) => (key === "a" ? dead : pass));
    await live(10);
    expect([...before]).toEqual([]);
    const after = checker.down;
    expect([...after]).toEqual(["a"]);
    await live(10);
    expect(checker.down).toBe(after);
  });

  test("goes on with what was known, without a word", async () => {
    const states = new Map([["a", { isUp: false, against: 0, changedAt: Number.NEGATIVE_INFINITY }]]);
    const { checker, live, changes } = start({ states });
    expect([...checker.down]).toEqual(["a"]);
    await live(6);
    expect([changes, [...checker.down]]).toEqual([["a up: fine"], []]);
  });

  test("ends its probes and its timers when it is disposed of", async () => {
    const { checker, clock, live, answer, aborted, changes } = start();
    answer(async (_key, signal) => never(signal));
    await live(3);
    await checker[Symbol.asyncDispose]();
    expect([aborted(), clock.waiting(), changes]).toEqual([1, [], []]);
  });
});
