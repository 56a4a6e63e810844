import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Able,
  holdBack,
  mostEjected,
  type PanicMode,
  shutOut,
  type Standing,
} from "../../src/health/pool.ts";

const serving: Standing = { state: "serving", weight: 1, isOpen: true, isReachable: true };
const ejected: Standing = { ...serving, state: "ejected", isOpen: false };
const unreachable: Standing = { ...ejected, isReachable: false };
const free: Standing = { ...serving, state: "half_open" };
const busy: Standing = { ...free, isOpen: false };

const ableOf = (standings: readonly Standing[]): Able => ({
  count: standings.length,
  unusual: new Map([...standings.entries()].filter(([, { state }]) => state !== "serving")),
});

const shut = (able: readonly Standing[], poolSize = able.length, mode: PanicMode = "route"): number[] => [
  ...shutOut(ableOf(able), poolSize, mode),
];

describe("a pool", () => {
  test("may lose half of its engines, one at least, and never its only one", () => {
    expect([0, 1, 2, 3, 4, 5, 8, 9].map(mostEjected)).toEqual([0, 0, 1, 1, 2, 2, 4, 4]);
    expect(shut([ejected])).toEqual([]);
    expect(shut([unreachable])).toEqual([]);
  });

  test("leaves out who is ejected, and who is half-open while a request probes", () => {
    expect(shut([serving, ejected, serving, busy])).toEqual([1, 3]);
    expect(shut([serving, ejected, serving, free])).toEqual([1]);
  });

  test("with less than half of it left uses whoever is ejected but can be reached", () => {
    // Of four engines one is down by its health check.
    expect(shut([serving, ejected, unreachable], 4)).toEqual([2]);
    expect(shut([ejected, unreachable], 4)).toEqual([1]);
    expect(shut([unreachable, unreachable], 4)).toEqual([0, 1]);
  });

  test("panics at less than half, not at half", () => {
    expect(shut([serving, serving, ejected], 4)).toEqual([2]);
    expect(shut([serving, serving, ejected], 5)).toEqual([]);
  });

  test("does not panic where it must not", () => {
    expect(shut([serving, ejected, unreachable], 4, "fail")).toEqual([1, 2]);
    expect(shut([ejected], 2, "fail")).toEqual([0]);
  });

  test("lets a half-open engine that nobody could reach be probed", () => {
    expect(shut([{ ...free, isReachable: false }], 2)).toEqual([]);
    expect(shut([{ ...busy, isReachable: false }], 2)).toEqual([0]);
  });

  test("takes no notice of more ejections than there may be", () => {
    expect(shut([ejected, ejected, serving, ejected])).toEqual([]);
    expect(shut([ejected, ejected, serving, ejected], 4, "fail")).toEqual([]);
  });

  test("never loses an engine in service, nor more than half, whatever the standings", () => {
    const standing = fc.constantFrom(serving, ejected, unreachable, free, busy);
    const pools = fc.tuple(fc.array(standing, { maxLength: 12 }), fc.nat({ max: 12 }));
    fc.assert(
      fc.property(pools, fc.constantFrom<PanicMode>("route", "fail"), ([able, unable], mode) => {
        const poolSize = able.length + unable;
        const out = shutOut(ableOf(able), poolSize, mode);
        expect([...out].every((place) => able[place]?.isOpen === false)).toBe(true);
        expect(out.length).toBeLessThanOrEqual(mostEjected(poolSize));
        const left = able.length - out.length;
        if (mode === "route" && 2 * left < poolSize) {
          expect([...out].every((place) => able[place]?.isReachable === false)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("slow start", () => {
  const slow: Standing = { ...serving, state: "slow_start", weight: 0.25 };
  const held = (able: readonly Standing[], drawn: number): number[] => [
    ...holdBack(ableOf(able), () => drawn),
  ];

  test("leaves an engine out of a request as often as its weight says", () => {
    expect([held([serving, slow], 0.24), held([serving, slow], 0.25)]).toEqual([[], [1]]);
  });

  test("leaves out nobody where nobody else is left", () => {
    expect(held([slow, slow], 0.9)).toEqual([]);
    expect(held([slow], 0.9)).toEqual([]);
  });

  test("draws for each engine that comes, and for no other", () => {
    const drawn = [0.9, 0.1];
    const random = (): number => drawn.shift() ?? Number.NaN;
    expect([...holdBack(ableOf([slow, serving, slow]), random)]).toEqual([0]);
    expect(drawn).toEqual([]);
  });
});
