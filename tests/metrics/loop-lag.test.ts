import { expect, test } from "bun:test";
import { createLoopLag } from "../../src/metrics/loop-lag.ts";
import { createTestClock } from "../support/clock.ts";

test("every second a loop tells how late it is, until it is disposed", () => {
  const clock = createTestClock();
  const lags: number[] = [];
  const lag = createLoopLag((ms) => lags.push(ms), { clock });
  clock.advance(2500);
  expect(lags).toEqual([0, 0]);
  clock.stall(800);
  clock.advance(0);
  expect(lags).toEqual([0, 0, 300]);
  clock.advance(1000);
  expect(lags).toEqual([0, 0, 300, 0]);
  lag[Symbol.dispose]();
  clock.advance(5000);
  expect(lags).toHaveLength(4);
  expect(clock.waiting()).toEqual([]);
});
