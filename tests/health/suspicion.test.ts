import { describe, expect, test } from "bun:test";
import { fail, never, start, times } from "./started-checker.ts";

describe("the checker beside other judges", () => {
  test("asks at once about what is suspected, which a passing probe clears", async () => {
    const { checker, probes, live, changes } = start({ intervalMs: 60_000 });
    await live(10);
    checker.suspect("a");
    checker.suspect("unknown");
    await live(20);
    expect(times(probes)).toEqual([2500, 10_000]);
    expect(changes).toEqual([]);
  });

  test("settles a suspicion sooner than its interval would", async () => {
    const { checker, probes, live, answer, changes } = start({ intervalMs: 60_000 });
    await live(10);
    answer(async () => fail);
    checker.suspect("a");
    await live(5);
    expect(changes).toEqual(["a down: broken"]);
    expect(times(probes)).toEqual([2500, 10_000, 12_000, 14_000]);
  });

  test("asks no more than twice a second, however much is suspected", async () => {
    const { checker, probes, live, clock } = start({ intervalMs: 60_000 });
    await live(3);
    for (let step = 0; step < 40; step += 1) {
      checker.suspect("a");
      await live(0.1);
    }
    expect(probes.length).toBeLessThanOrEqual(1 + 2 * 4);
    expect(clock.monotonic()).toBe(7000);
  });

  test("does not ask twice at once, nor sooner about what it suspects already", async () => {
    const { checker, probes, live, answer } = start({ intervalMs: 60_000 });
    answer(async () => fail);
    await live(3);
    checker.suspect("a");
    await live(1);
    expect(times(probes)).toEqual([2500]);
    answer(async (_key, signal) => never(signal));
    await live(1);
    checker.suspect("a");
    await live(1);
    expect(times(probes)).toEqual([2500, 4500]);
  });

  test("holds what others let in again as long as what it let in itself", async () => {
    const { live, answer, changes, changedAt } = start({ returnedAt: () => 10_000 });
    await live(10);
    answer(async () => fail);
    await live(14);
    expect(changes).toEqual([]);
    await live(4);
    expect(changes).toEqual(["a down: broken"]);
    expect(changedAt[0]).toBeGreaterThanOrEqual(25_000);
  });
});
