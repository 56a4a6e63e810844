import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createWatch, type Watched } from "../../src/proxy/watch.ts";
import { createTestClock } from "../support/clock.ts";

const NEVER = Number.POSITIVE_INFINITY;

const start = () => {
  const clock = createTestClock();
  const looks: [string, number][] = [];
  interface Thing extends Watched {
    readonly name: string;
    readonly next: (now: number) => number;
  }
  const watch = createWatch<Thing>(
    ({ name, next }, now) => {
      looks.push([name, now]);
      return next(now);
    },
    { clock },
  );
  const add = (name: string, dueAt: number, next: (now: number) => number = () => NEVER) => {
    const thing: Thing = { name, next, dueAt, place: undefined };
    watch.add(thing);
    return { by: (at: number) => watch.by(thing, at), end: () => watch.end(thing) };
  };
  return { clock, looks, add };
};

describe("what is watched", () => {
  test("is looked at when it is due, and again when it says so", () => {
    const { clock, looks, add } = start();
    add("a", 1000, (now) => (now < 5000 ? now + 2000 : NEVER));
    clock.advance(60_000);
    expect(looks).toEqual([
      ["a", 1000],
      ["a", 3000],
      ["a", 5000],
    ]);
    expect(clock.waiting()).toEqual([]);
  });

  test("is not looked at once it is ended", () => {
    const { clock, looks, add } = start();
    add("a", 1000).end();
    clock.advance(2000);
    expect(looks).toEqual([]);
    expect(clock.waiting()).toEqual([]);
  });

  test("is not looked at where the look at something else ends it", () => {
    const { clock, looks, add } = start();
    add("a", 1000, () => {
      second.end();
      return NEVER;
    });
    const second = add("b", 1000);
    clock.advance(2000);
    expect(looks).toEqual([["a", 1000]]);
    expect(clock.waiting()).toEqual([]);
  });

  test("waits a moment longer where the loop was held up, so that what has come is read first, but not for ever", () => {
    const { clock, looks, add } = start();
    add("a", 1000);
    clock.stall(1600);
    clock.advance(0);
    expect(looks).toEqual([]);
    clock.advance(250);
    expect(looks).toEqual([["a", 1850]]);
    add("b", 2000);
    clock.stall(1000);
    clock.advance(0);
    clock.stall(1000);
    clock.advance(0);
    expect(looks.slice(1)).toEqual([["b", 3850]]);
  });

  test("costs one timer, and none while nothing has a time", () => {
    const { clock, add } = start();
    add("never", NEVER);
    expect(clock.waiting()).toEqual([]);
    for (let index = 0; index < 1000; index += 1) add(String(index), 5000 + index);
    expect(clock.waiting()).toEqual([5000]);
    add("soon", 100);
    expect(clock.waiting()).toEqual([100]);
    add("late", 100_000);
    expect(clock.waiting()).toEqual([100]);
  });

  test("can be looked at sooner than planned, not later", () => {
    const { clock, looks, add } = start();
    const watching = add("a", 1000);
    watching.by(2000);
    expect(clock.waiting()).toEqual([1000]);
    watching.by(500);
    clock.advance(500);
    expect(looks).toEqual([["a", 500]]);
  });

  test("is looked at within a twentieth of a second of its time, never before it, whatever else there is", () => {
    const thing = fc.record({
      addedAt: fc.nat({ max: 3000 }),
      dueIn: fc.nat({ max: 3000 }),
      again: fc.array(fc.nat({ max: 2000 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(thing, { maxLength: 20 }), (things) => {
        const { clock, add } = start();
        let missing = 0;
        for (const { addedAt, dueIn, again } of things.toSorted((a, b) => a.addedAt - b.addedAt)) {
          clock.advance(addedAt - clock.monotonic());
          const left = [...again];
          let dueAt = addedAt + dueIn;
          missing += 1;
          add("", dueAt, (now) => {
            expect(now).toBeGreaterThanOrEqual(dueAt);
            expect(now).toBeLessThanOrEqual(dueAt + 50);
            const wait = left.shift();
            if (wait === undefined) missing -= 1;
            dueAt = wait === undefined ? NEVER : now + wait;
            return dueAt;
          });
        }
        clock.advance(20_000);
        expect(missing).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
