import { expect, test } from "bun:test";
import { createDemand } from "../../src/routing/demand.ts";

/** A demand after requests in steps of so many milliseconds, each of which takes so long. */
const after = (count: number, stepMs: number, tookMs = 0, beginAt = 0) => {
  const demand = createDemand();
  for (let index = 0; index < count; index += 1) {
    demand.arrived(beginAt + index * stepMs);
    demand.took(tookMs);
  }
  return demand;
};

test("is told after seconds as after hours, whatever the clock began with", () => {
  for (const demand of [after(50, 100), after(20_000, 100), after(20_000, 100, 0, 1e9)]) {
    expect(demand.perMs() * 100).toBeWithin(0.8, 1.2);
  }
});

test("engines are busy for what requests take of the time between them", () => {
  expect(after(5000, 100, 250).busy()).toBeWithin(2.3, 2.7);
  expect(after(5000, 100).busy()).toBe(0);
});

test("follows what comes, within a minute or two", () => {
  const demand = after(5000, 100);
  for (let index = 1; index <= 100; index += 1) demand.arrived(500_000 + index * 1000);
  expect(demand.perMs() * 1000).toBeWithin(0.9, 1.7);
});

test("the first request of a fleet is no flood, and a clock that stands still none either", () => {
  expect(after(1, 1).perMs()).toBeLessThanOrEqual(0.001);
  expect(after(10, 0).perMs()).toBeLessThanOrEqual(0.01);
});
