import { expect, test } from "bun:test";
import { createFadingRate, stepOf } from "../../src/routing/fading-rate.ts";

const memory = { fadeMs: 10_000, leastMs: 1000 };

/** A rate after so many amounts, one every so many milliseconds, and the time of the last. */
const after = (count: number, stepMs: number, amount = 1, beginAt = 0) => {
  const rate = createFadingRate(memory);
  for (let index = 0; index < count; index += 1) rate.add(beginAt + index * stepMs, amount);
  return { rate, at: beginAt + (count - 1) * stepMs };
};

test("is told after seconds as after hours, whatever the clock began with", () => {
  for (const { rate, at } of [after(50, 100), after(20_000, 100), after(20_000, 100, 1, 1e9)]) {
    expect(rate.perMs(at) * 100).toBeWithin(0.8, 1.2);
  }
});

test("is of amounts, not of how often they come", () => {
  const { rate, at } = after(5000, 100, 250);
  expect(rate.perMs(at)).toBeWithin(2.3, 2.7);
});

test("follows what comes, and fades when nothing does", () => {
  const { rate, at } = after(5000, 100);
  for (let index = 1; index <= 40; index += 1) rate.add(at + index * 1000, 1);
  expect(rate.perMs(at + 40_000) * 1000).toBeWithin(0.9, 1.7);
  expect(rate.perMs(at + 140_000)).toBeLessThan(1e-6);
});

test("the first of all is no flood, and a clock that stands still or runs back none either", () => {
  expect(after(1, 1).rate.perMs(0)).toBeLessThanOrEqual(0.001);
  expect(after(10, 0).rate.perMs(0)).toBeLessThanOrEqual(0.01);
  const { rate } = after(10, 1);
  rate.add(-50_000, 1);
  expect(rate.perMs(-50_000)).toBeLessThanOrEqual(0.011);
});

test("of nothing is nothing", () => {
  expect(createFadingRate(memory).perMs(5)).toBe(0);
});

test("is what all threads see, each of which fades also when it sees nothing more", () => {
  const [one, two] = [new Float64Array(2), new Float64Array(2)];
  const here = createFadingRate(memory, { own: one, others: [two] });
  const there = createFadingRate(memory, { own: two, others: [one] });
  for (let at = 0; at < 100_000; at += 100) (at % 300 === 0 ? there : here).add(at, 1);
  expect(here.perMs(100_000) / there.perMs(100_000)).toBeWithin(0.97, 1.03);
  expect(here.perMs(100_000) * 100).toBeWithin(0.9, 1.1);
  expect(here.perMs(110_000) * 100).toBeWithin(0.33, 0.41);
  // What a thread told that has died.
  two.fill(0);
  expect(here.perMs(110_000) * 100).toBeWithin(0.2, 0.3);
});

test("is shown as it is said to be until it fades by a step, where no other thread tells of it", () => {
  for (const others of [[], [new Float64Array(2)]]) {
    let [shown, shownAt] = [Number.NaN, Number.NaN];
    const rate = createFadingRate(memory, { own: new Float64Array(2), others }, 0, {
      showRate: (perMs, at) => void ([shown, shownAt] = [perMs, at]),
    });
    const isFresh = (at: number) => at - shownAt <= stepOf(memory);
    expect([shown, isFresh(1e9)]).toEqual([0, others.length === 0]);
    rate.add(10, 400);
    for (const at of [10, 10 + memory.fadeMs / 100, 10 + memory.fadeMs / 10, 10 + 3 * memory.fadeMs]) {
      const wasFresh = isFresh(at);
      const before = shown;
      const said = rate.perMs(at);
      expect(said).toBeGreaterThan(0);
      if (wasFresh) expect(before).toBe(said);
      expect(isFresh(at)).toBe(others.length === 0);
      if (others.length === 0) expect(shown).toBe(said);
    }
  }
});
