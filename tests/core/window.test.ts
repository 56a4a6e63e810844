import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createWindow } from "../../src/core/window.ts";

const WINDOW_MS = 60_000;
const BUCKET_MS = WINDOW_MS / 60;

/** Events not older than `ageMs`. */
const countSince = (times: readonly number[], now: number, ageMs: number): number =>
  times.filter((time) => time > now - ageMs).length;

describe("a window", () => {
  test("counts what happened in it, and forgets it afterwards", () => {
    const window = createWindow(WINDOW_MS);
    expect(window.count(0)).toBe(0);
    for (const at of [0, 10, 30_000, 59_999]) window.add(at);
    expect(window.count(59_999)).toBe(4);
    expect(window.count(60_000)).toBe(2);
    expect(window.count(90_000)).toBe(1);
    expect(window.count(119_999)).toBe(0);
    expect(window.count(120_000)).toBe(0);
  });

  test("is empty after a silence of any length, and counts on", () => {
    const window = createWindow(WINDOW_MS);
    window.add(5);
    expect(window.count(5 + 10 * WINDOW_MS)).toBe(0);
    window.add(1e12);
    expect(window.count(1e12)).toBe(1);
  });

  test("takes back what happened in it as if it never had, and leaves alone what it forgot", () => {
    const window = createWindow(WINDOW_MS);
    for (const at of [10, 30_000, 30_000]) window.add(at);
    window.takeBack(30_000, 59_999);
    expect(window.count(59_999)).toBe(2);
    window.takeBack(10, 60_000);
    expect([window.count(60_000), window.count(90_000)]).toEqual([1, 0]);
  });

  test("starts at any time of the clock", () => {
    const window = createWindow(WINDOW_MS);
    window.add(123_456_789_012.5);
    expect(window.count(123_456_789_013)).toBe(1);
  });

  test("agrees with a list of all events, but for the oldest sixtieth", () => {
    const event = fc.tuple(
      // Many at once, some a moment later, some after a gap that empties part or all of the window.
      fc.oneof(
        fc.constant(0),
        fc.double({ min: 0, max: 3 * BUCKET_MS, noNaN: true }),
        fc.nat({ max: 2 * WINDOW_MS }),
      ),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.nat({ max: 1e12 }),
        fc.array(event, { minLength: 30, maxLength: 300 }),
        (origin, events) => {
          const window = createWindow(WINDOW_MS);
          const times: number[] = [];
          let now = origin;
          for (const [delay, isAdded] of events) {
            now += delay;
            if (isAdded) {
              window.add(now);
              times.push(now);
            }
            const count = window.count(now);
            expect(count).toBeGreaterThanOrEqual(countSince(times, now, WINDOW_MS - BUCKET_MS));
            expect(count).toBeLessThanOrEqual(countSince(times, now, WINDOW_MS));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("has the mean of what happened in it, exact after any number of values came and went", () => {
    const window = createWindow(WINDOW_MS);
    expect(window.mean(0)).toBeUndefined();
    for (let step = 0; step < 100_000; step += 1) window.add(step * 100, 0.1 + (step % 7) * 1e6);
    const now = 100_000 * 100 + 2 * WINDOW_MS;
    expect(window.mean(now)).toBeUndefined();
    window.add(now, 0.1);
    window.add(now + 1, 0.3);
    expect(window.mean(now + 1)).toBe(0.2);
    expect(window.mean(now + WINDOW_MS + BUCKET_MS)).toBeUndefined();
  });

  test.each([1, 100, 999, 60_000, 3_600_000])("of %p ms counts in its own measure", (windowMs) => {
    const window = createWindow(windowMs);
    for (let step = 0; step < 600; step += 1) window.add((step * windowMs) / 600);
    const count = window.count((599 * windowMs) / 600);
    expect(count).toBeGreaterThanOrEqual(590);
    expect(count).toBeLessThanOrEqual(600);
    expect(window.count(3 * windowMs)).toBe(0);
  });
});
