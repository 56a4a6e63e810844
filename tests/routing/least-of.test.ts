import { expect, test } from "bun:test";
import { leastAt, leastOf } from "../../src/routing/least-of.ts";

const shares = (weights: readonly [number, ...number[]]): readonly number[] => {
  const counts = weights.map(() => 0);
  const things = weights.map((_, index) => index) as [number, ...number[]];
  for (let draw = 0; draw < 1000; draw += 1) {
    let state = draw;
    const random = (): number => ((state = (state * 7919 + 13) % 1000) + 0.5) / 1000;
    const index = leastOf(things, (thing) => weights[thing] ?? 0, random);
    state = draw;
    expect(leastAt(Float64Array.from(weights), random)).toBe(index);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
};

test("the thing of the least weight is taken", () => {
  expect(shares([3, 1, 2])).toEqual([0, 1000, 0]);
});

test("of several of the least weight each is drawn about as often", () => {
  const [first = 0, other, second = 0, third = 0] = shares([1, 2, 1, 1]);
  expect(other).toBe(0);
  for (const count of [first, second, third]) expect(count).toBeWithin(250, 420);
});

test("where nothing can be compared the first is taken", () => {
  expect(shares([NaN, NaN])).toEqual([1000, 0]);
});
