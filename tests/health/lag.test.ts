import { expect, test } from "bun:test";
import { createLagMeter } from "../../src/health/lag.ts";
import { createTestClock } from "../support/clock.ts";

const start = () => {
  const clock = createTestClock();
  return { clock, meter: createLagMeter({ clock }) };
};

test("a loop that runs in time does not lag", () => {
  const { clock, meter } = start();
  using _watch = meter.watch();
  clock.advance(10_000);
  expect(meter.hasLaggedSince(0)).toBe(false);
});

test("a loop that is held up lags while it is, and has lagged thereafter", () => {
  const { clock, meter } = start();
  using _watch = meter.watch();
  clock.advance(1000);
  clock.stall(340);
  expect(meter.hasLaggedSince(1000)).toBe(false);
  clock.stall(20);
  expect(meter.hasLaggedSince(1000)).toBe(true);
  clock.advance(1000);
  expect(meter.hasLaggedSince(1000)).toBe(true);
  expect(meter.hasLaggedSince(2000)).toBe(false);
});

test("only a watched loop is measured, and the last watch ends it", () => {
  const { clock, meter } = start();
  clock.stall(5000);
  expect([meter.hasLaggedSince(0), clock.waiting()]).toEqual([false, []]);
  const [first, second] = [meter.watch(), meter.watch()];
  first[Symbol.dispose]();
  expect(clock.waiting()).toEqual([100]);
  second[Symbol.dispose]();
  expect(clock.waiting()).toEqual([]);
  clock.stall(5000);
  expect(meter.hasLaggedSince(0)).toBe(false);
});
