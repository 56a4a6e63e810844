import { expect, test } from "bun:test";
import { slowStartWeight } from "../../src/health/slow-start.ts";

test("slow start grows evenly from a tenth to the full share, and stays there", () => {
  const shares = [0, 10_000, 15_000, 20_000, 30_000, 90_000].map((ms) => slowStartWeight(ms, 30_000));
  expect(shares.map((share) => Math.round(share * 1000) / 1000)).toEqual([0.1, 0.4, 0.55, 0.7, 1, 1]);
});

test("slow start may take no time", () => {
  expect(slowStartWeight(0, 0)).toBe(1);
});
