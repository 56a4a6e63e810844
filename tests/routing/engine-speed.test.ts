import { describe, expect, test } from "bun:test";
import { createEngineSpeed } from "../../src/routing/engine-speed.ts";

/** Observes an engine that takes so long for each token and beside each answer; noise and outliers by turn. */
const observed = (
  { perToken, perStream, fixed }: Readonly<Record<"perToken" | "perStream" | "fixed", number>>,
  { count = 200, outlierEvery = Infinity } = {},
  speed = createEngineSpeed(),
) => {
  for (let index = 1; index <= count; index += 1) {
    const tokens = 100 + ((index * 7919) % 4000);
    const streams = (index * 31) % 60;
    const noise = 1 + 0.1 * Math.sin(index);
    const ms = (fixed + perToken * tokens + perStream * streams) * noise;
    speed.observe(tokens, streams, index % outlierEvery === 0 ? 60_000 : ms);
  }
  return speed;
};

const slow = { perToken: 0.5, perStream: 1, fixed: 40 };
const fast = { perToken: 0.05, perStream: 0.2, fixed: 5 };

describe("the speed of an engine", () => {
  test("is sane before anything was observed: thousands of tokens a second", () => {
    const speed = createEngineSpeed();
    expect(1000 / speed.msPerToken()).toBeWithin(2000, 20_000);
    expect(speed.fixedMs(0)).toBeWithin(1, 100);
  });

  test.each([
    ["slow", slow],
    ["fast", fast],
  ])("of a %s engine is learned from how long it took", (_name, engine) => {
    const speed = observed(engine);
    expect(speed.msPerToken() / engine.perToken).toBeWithin(0.85, 1.15);
    expect(speed.fixedMs(30) / (engine.fixed + 30 * engine.perStream)).toBeWithin(0.5, 1.6);
  });

  test("is roughly known after a handful of answers", () => {
    const speed = observed(slow, { count: 10 });
    expect(speed.msPerToken() / slow.perToken).toBeWithin(0.6, 1.4);
  });

  test("is hardly moved by a few answers that took a minute", () => {
    const speed = observed(fast, { count: 400, outlierEvery: 40 });
    expect(speed.msPerToken() / fast.perToken).toBeWithin(0.7, 1.8);
  });

  test("follows an engine that changes", () => {
    const speed = observed(slow, { count: 300 }, observed(fast, { count: 300 }));
    expect(speed.msPerToken() / slow.perToken).toBeWithin(0.7, 1.3);
  });

  test("stays a speed, whatever is observed", () => {
    const speed = createEngineSpeed();
    for (const ms of [0, 0, 1e9, 0, -5, 1e9, 0, 0, 0]) speed.observe(100_000, 1000, ms);
    for (let index = 0; index < 10_000; index += 1) speed.observe(1, 0, 0);
    expect(speed.msPerToken()).toBeGreaterThan(0);
    expect(speed.fixedMs(0)).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(speed.msPerToken() + speed.fixedMs(100))).toBe(true);
  });
});
