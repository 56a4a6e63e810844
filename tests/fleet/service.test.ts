import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Narrowing } from "../../src/fleet/engine-group.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import { createService } from "../../src/fleet/service.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import type { Excluded } from "../../src/health/engine-health.ts";
import { createOutliers } from "../../src/health/outliers.ts";
import type { Ending } from "../../src/health/trials.ts";
import type { PanicMode } from "../../src/health/pool.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock } from "../support/clock.ts";

const broken: Ending = { reason: "it answered 500", isUnreachable: false };
const unreachable: Ending = { reason: "it cannot be reached", isUnreachable: true };

/** A fleet of engines that all serve `m`, the router long started, and what requests say of them. */
const start = (ids: readonly string[], panicMode: PanicMode = "route") => {
  const clock = createTestClock();
  const { log } = createTestLog(clock);
  const endpointOf = (id: string): Endpoint => ({ id, url: `http://${id}`, models: ["m"], addedAt: 0 });
  let endpoints = ids.map(endpointOf);
  let excluded: Excluded = { engines: new Set(), models: new Set() };
  let random = (): number => 0.5;
  let isOver = false;
  const suspects: string[] = [];
  const outliers = createOutliers(
    {
      breaker: { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 },
      slowStartMs: 30_000,
    },
    { clock, log, random: () => 0.5, healthChangedAt: () => undefined, onEjected: () => {} },
  );
  const service = createService(
    { outliers, panicMode, suspect: (id) => suspects.push(id), isOver: () => isOver },
    { random: () => random() },
  );
  const discovery = {
    get endpoints() {
      return endpoints;
    },
    hasSeen: () => true,
    [Symbol.asyncDispose]: async () => {},
  };
  const health = {
    get excluded() {
      return excluded;
    },
  };
  const ledger = createRequestLedger({ windowMs: 60_000 }, { clock });
  const fleet = createFleet(discovery, ledger, createSleepStates(), { health, service });
  fleet.counts();
  clock.advance(60_000);
  const idsOf = (narrowing?: Narrowing): string[] | undefined =>
    fleet.candidates("m", narrowing)?.map(({ endpoint: { id } }) => id);
  const drawnIds = (narrowing?: Narrowing): string[] | undefined =>
    fleet.draw("m", narrowing)?.map(({ endpoint: { id } }) => id);
  return {
    fleet,
    clock,
    suspects,
    idsOf,
    drawnIds,
    begin: (id: string, narrowing?: Narrowing) => fleet.begin(endpointOf(id), "m", narrowing),
    fail: (id: string, ending: Ending = broken): void => {
      for (let count = 0; count < 5; count += 1) fleet.begin(endpointOf(id), "m")?.end(ending);
    },
    exclude: (...failing: readonly string[]): void => {
      excluded = { engines: new Set(failing), models: new Set() };
    },
    discover: (...found: readonly string[]): void => {
      endpoints = found.map(endpointOf);
    },
    draws: (next: number | (() => number)) => (random = typeof next === "number" ? () => next : next),
    handOver: () => (isOver = true),
  };
};

describe("an engine that is ejected", () => {
  test("is no candidate, and the others are the same array for every request", () => {
    const { fleet, clock, idsOf, fail } = start(["a", "b", "c"]);
    const all = fleet.candidates("m");
    fail("b");
    const others = fleet.candidates("m");
    expect(idsOf()).toEqual(["a", "c"]);
    expect(fleet.candidates("m")).toBe(others);
    expect(fleet.draw("m")).toBe(others);
    expect(fleet.counts()).toEqual({ total: 3, healthy: 3, routable: 3, ejected: 1, starting: 0 });
    clock.advance(20_000);
    const probe = fleet.begin(fleet.find("b") ?? { id: "", url: "", models: [], addedAt: 0 }, "m");
    probe?.answered();
    expect(fleet.counts()).toMatchObject({ ejected: 0, starting: 1 });
    clock.advance(30_000);
    expect(fleet.candidates("m")).toBe(all);
  });

  test("is found by whoever names it", () => {
    const { idsOf, begin, fail } = start(["a", "b", "c"]);
    fail("b");
    expect(idsOf({ only: "b" })).toEqual(["b"]);
    expect(begin("b", { only: "b" })).toBeDefined();
    expect(begin("b")).toBeUndefined();
  });

  test("is a candidate for one request when its time is over, however many choose it at once", () => {
    const { idsOf, begin, clock, fail } = start(["a", "b"]);
    fail("b");
    clock.advance(5000);
    // Both were planned before either began.
    expect([idsOf(), idsOf()]).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
    const probe = begin("b");
    expect([probe === undefined, begin("b") === undefined, idsOf()]).toEqual([false, true, ["a"]]);
    probe?.end("ended");
    expect([begin("b") === undefined, begin("a") === undefined]).toEqual([false, false]);
  });

  test("still serves when less than half of its pool is left, unless it cannot be reached", () => {
    const { idsOf, begin, fail, exclude } = start(["a", "b", "c", "d"]);
    fail("a");
    fail("b", unreachable);
    expect(idsOf()).toEqual(["c", "d"]);
    exclude("c");
    expect(idsOf()).toEqual(["a", "d"]);
    expect([begin("a") === undefined, begin("b") === undefined]).toEqual([false, true]);
    exclude("c", "d");
    expect(idsOf()).toEqual(["a"]);
    exclude("a", "c", "d");
    expect(idsOf()).toBeUndefined();
  });

  test("leaves the model in panic together with those that are not healthy", () => {
    const { fleet, fail, exclude } = start(["a", "b", "c", "d"], "fail");
    const isPanic = (): boolean => fleet.isPanic("m");
    expect([isPanic(), fleet.isPanic("unknown")]).toEqual([false, false]);
    fail("a");
    exclude("b");
    expect(isPanic()).toBe(false);
    exclude("b", "c");
    expect(isPanic()).toBe(true);
    exclude("a", "b", "c", "d");
    expect(isPanic()).toBe(true);
  });

  test("stays out in any case where panic is off", () => {
    const { idsOf, begin, fail, exclude } = start(["a", "b", "c", "d"], "fail");
    fail("a");
    exclude("b", "c");
    expect(idsOf()).toEqual(["d"]);
    exclude("b", "c", "d");
    expect([idsOf(), begin("a")]).toEqual([undefined, undefined]);
  });

  test("is taken after all when it has become the only one", () => {
    const { idsOf, fail, discover } = start(["a", "b"], "fail");
    fail("a");
    discover("a");
    expect(idsOf()).toEqual(["a"]);
  });

  test("is not left to a request that failed on all others", () => {
    const { idsOf, fail } = start(["a", "b", "c"]);
    fail("a");
    expect(idsOf({ except: new Set(["b"]) })).toEqual(["c"]);
    expect(idsOf({ except: new Set(["b", "c"]) })).toBeUndefined();
  });

  test("counts half of those that are awake, not of all", () => {
    const { fleet, idsOf, fail } = start(["a", "b", "c", "d"]);
    fleet.setSleeping("c", true);
    fleet.setSleeping("d", true);
    fleet.counts();
    fail("a");
    fail("b");
    expect(idsOf()).toEqual(["b"]);
    expect(["a", "b", "c"].map(fleet.stateOf)).toEqual(["ejected", "serving", "asleep"]);
  });
});

describe("an engine in slow start", () => {
  test("is left out of a request now and then, never of all, and the parts are the same arrays", () => {
    const { fleet, drawnIds, discover, draws } = start(["a", "b"]);
    discover("a", "b", "c");
    expect(fleet.candidates("m")?.length).toBe(3);
    draws(0.05);
    expect(fleet.draw("m")).toBe(fleet.candidates("m"));
    draws(0.5);
    const part = fleet.draw("m");
    expect(drawnIds()).toEqual(["a", "b"]);
    expect(fleet.draw("m")).toBe(part);
    expect(drawnIds({ except: new Set(["a", "b"]) })).toEqual(["c"]);
    expect(fleet.stateOf("c")).toBe("slow_start");
  });

  test("may be one of half of the fleet that comes back together", () => {
    const { fleet, clock, drawnIds, exclude, draws } = start(["a", "b", "c", "d", "e", "f", "g", "h"]);
    exclude("a", "b", "c", "d");
    fleet.counts();
    expect(fleet.counts()).toMatchObject({ routable: 4, starting: 0 });
    exclude();
    fleet.counts();
    expect(fleet.counts()).toMatchObject({ routable: 8, starting: 4 });
    draws(0.5);
    expect(drawnIds()).toEqual(["e", "f", "g", "h"]);
    clock.advance(20_000);
    expect(drawnIds()).toHaveLength(8);
    clock.advance(10_000);
    fleet.counts();
    expect(fleet.draw("m")).toBe(fleet.candidates("m"));
  });

  test("leads to parts of which not many are kept", () => {
    const newcomers = Array.from({ length: 12 }, (_, index) => `new${index}`);
    const { fleet, discover, draws } = start(["a"]);
    discover("a", ...newcomers);
    draws(0.5);
    const before = fleet.draw("m");
    expect(fleet.draw("m")).toBe(before);
    let seed = 1;
    draws(() => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647);
    for (let count = 0; count < 500; count += 1) fleet.draw("m");
    draws(0.5);
    expect(fleet.draw("m")).toEqual(before);
    expect(fleet.draw("m")).not.toBe(before);
  });
});

test("an engine to which no connection can be made is suspected", () => {
  const { suspects, fail } = start(["a", "b"]);
  fail("a", unreachable);
  expect(suspects).toEqual(["a", "a", "a", "a", "a"]);
});

test("a router that another took over from says nothing of engines any more", () => {
  const { fleet, idsOf, fail, discover, handOver } = start(["a", "b", "c"]);
  fail("a");
  handOver();
  discover("b", "c");
  fleet.counts();
  discover("a", "b", "c");
  expect(idsOf()).toEqual(["b", "c"]);
});
