import { describe, expect, test } from "bun:test";
import { createSpeeds } from "../../src/routing/engine-speed.ts";

/** Observes an engine that takes so long for each token and beside each answer; noise and outliers by turn. */
const observed = (
  { perToken, perStream, fixed }: Readonly<Record<"perToken" | "perStream" | "fixed", number>>,
  { count = 200, outlierEvery = Infinity } = {},
  speed = createSpeeds().open(),
) => {
  for (let index = 1; index <= count; index += 1) {
    const tokens = 100 + ((index * 7919) % 4000);
    const streams = (index * 31) % 60;
    const noise = 1 + 0.1 * Math.sin(index);
    const ms = (fixed + perToken * tokens + perStream * streams) * noise;
    speed.observe(tokens, streams, index % outlierEvery === 0 ? 60_000 : ms, 0);
  }
  return speed;
};

const slow = { perToken: 0.5, perStream: 1, fixed: 40 };
const fast = { perToken: 0.05, perStream: 0.2, fixed: 5 };

describe("the speed of an engine", () => {
  test("is sane before anything was observed: thousands of tokens a second", () => {
    const speed = createSpeeds().open();
    expect(1000 / speed.tokensMs(1)).toBeWithin(2000, 20_000);
    expect(speed.fixedMs(0)).toBeWithin(1, 100);
  });

  test.each([
    ["slow", slow],
    ["fast", fast],
  ])("of a %s engine is learned from how long it took", (_name, engine) => {
    const speed = observed(engine);
    expect(speed.tokensMs(1) / engine.perToken).toBeWithin(0.85, 1.15);
    expect(speed.fixedMs(30) / (engine.fixed + 30 * engine.perStream)).toBeWithin(0.5, 1.6);
  });

  test("is roughly known after a handful of answers", () => {
    const speed = observed(slow, { count: 10 });
    expect(speed.tokensMs(1) / slow.perToken).toBeWithin(0.6, 1.4);
  });

  test("is hardly moved by a few answers that took a minute", () => {
    const speed = observed(fast, { count: 400, outlierEvery: 40 });
    expect(speed.tokensMs(1) / fast.perToken).toBeWithin(0.7, 1.8);
  });

  test("follows an engine that changes", () => {
    const speed = observed(slow, { count: 300 }, observed(fast, { count: 300 }));
    expect(speed.tokensMs(1) / slow.perToken).toBeWithin(0.6, 1.4);
  });

  test("is that of its like where it differs by chance, and its own where it differs", () => {
    const { open } = createSpeeds();
    const [one, like] = [open(), open()];
    for (let index = 0; index < 100; index += 1) {
      const tokens = 100 + ((index * 7919) % 4000);
      one.observe(tokens, 0, 20 + tokens / 10, 0);
      like.observe(tokens, 0, 22 + tokens / 9.5, 0);
    }
    expect(like.tokensMs(1000)).toBe(one.tokensMs(1000));
    const slower = open();
    for (let index = 0; index < 100; index += 1) slower.observe(2000, 0, 880, 0);
    expect(slower.tokensMs(1000) / one.tokensMs(1000)).toBeWithin(2.5, 5);
  });

  test("of a new engine is that of the fleet", () => {
    const { open } = createSpeeds();
    const known = observed(slow, {}, open());
    expect(open().tokensMs(1000)).toBeCloseTo(known.tokensMs(1000), 0);
  });

  describe("that becomes four times slower", () => {
    const changed = (ms: readonly number[]) => {
      const { open } = createSpeeds();
      const [one, like] = [open(), open()];
      for (let index = 0; index < 200; index += 1)
        for (const each of [one, like]) each.observe(1000, 0, 140, 0);
      for (const each of ms) one.observe(1000, 0, each, 0);
      return one.tokensMs(1000) / like.tokensMs(1000);
    };

    test("is hardly known by one answer, and by the second that is as late", () => {
      expect(changed([560])).toBeLessThan(1.1);
      expect(changed([560, 140, 560, 140])).toBeLessThan(1.1);
      expect(changed([560, 560])).toBeGreaterThan(1.4);
      expect(changed([560, 560, 560, 560])).toBeGreaterThan(2);
    });

    test("is known to be as fast as before by two answers", () => {
      expect(changed([...Array.from({ length: 50 }, () => 560), 140, 140])).toBeLessThan(1.1);
    });

    test("is as slow as that, however late two answers are", () => {
      expect(changed([60_000, 60_000])).toBeLessThan(4);
    });
  });

  test("is known of an engine for minutes, and in time taken to be that of the others", () => {
    const { open } = createSpeeds();
    const [slower, like] = [open(), open()];
    for (let at = 0; at < 60_000; at += 500) {
      like.observe(1000, 0, 140, at);
      slower.observe(1000, 0, 560, at);
    }
    const factorAt = (at: number): number => {
      for (const each of [slower, like]) each.fade(at);
      return slower.tokensMs(1000) / like.tokensMs(1000);
    };
    const factors = [60_000, 120_000, 600_000].map(factorAt);
    expect(factors[0]).toBeWithin(2.5, 4);
    expect(factors[1]).toBeWithin(2, 2.7);
    expect(factors[2]).toBe(1);
  });

  test("stays a speed, whatever is observed", () => {
    const speed = createSpeeds().open();
    for (const ms of [0, 0, 1e9, 0, -5, 1e9, 0, 0, 0]) speed.observe(100_000, 1000, ms, 0);
    for (let index = 0; index < 10_000; index += 1) speed.observe(1, 0, 0, 0);
    expect(speed.tokensMs(1)).toBeGreaterThan(0);
    expect(speed.fixedMs(0)).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(speed.tokensMs(1) + speed.fixedMs(100))).toBe(true);
  });
});
