import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import { createService } from "../../src/fleet/service.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import { createEngineHealth } from "../../src/health/engine-health.ts";
import type { Health } from "../../src/health/health.ts";
import { createOutliers, type Outliers } from "../../src/health/outliers.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";

/** What is wrong with an engine while it is down. */
type Fault = "refuses" | "answers 500";

/** Two engines behind probes and breakers as the product has them by default; `a` is what a test makes of it. */
const start = (seed: number) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  let state = seed;
  // A generator of Lehmer: the same run each time.
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const endpoints: readonly Endpoint[] = ["a", "b"].map((id) => ({
    id,
    url: `http://${id}`,
    models: ["m"],
    addedAt: 0,
  }));
  let fault: Fault | undefined;
  const states = new Map<string, Health>();
  const outliers: Outliers = createOutliers(
    {
      breaker: { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 },
      slowStartMs: 30_000,
    },
    { clock, log, random, healthChangedAt: (id) => states.get(id)?.changedAt, onEjected: () => {} },
  );
  const check = { path: "/health", intervalMs: 5000, timeoutMs: 2000, thresholds: { fall: 3, rise: 2 } };
  const health = createEngineHealth(
    { liveness: check },
    {
      clock,
      log,
      random,
      // An engine that answers 500 to requests is well by its own word.
      fetch: async (url) =>
        fault === "refuses" && url.startsWith("http://a")
          ? Promise.reject(Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" }))
          : new Response("ok"),
      reach: async () => false,
      endpoints: () => endpoints,
      isSleeping: () => false,
      typeOf: () => undefined,
      lastDataAt: () => undefined,
      returnedAt: outliers.returnedAt,
      onReached: outliers.reached,
      states,
    },
  );
  const fleet = createFleet(
    { endpoints, hasSeen: () => true, [Symbol.asyncDispose]: async () => {} },
    createRequestLedger({ windowMs: 60_000 }, { clock }),
    createSleepStates(),
    {
      health,
      service: createService({ outliers, panicMode: "route", suspect: health.suspect }, { random }),
    },
  );
  const send = (): "ok" | "failed" | undefined => {
    const candidates = fleet.draw("m");
    const chosen = candidates?.[Math.floor(random() * candidates.length)];
    if (!chosen) return undefined;
    const trial = fleet.begin(chosen.endpoint, "m");
    if (chosen.endpoint.id === "a" && fault) {
      trial?.end({ reason: fault, isUnreachable: fault === "refuses" });
      return "failed";
    }
    trial?.answered();
    trial?.end("ended");
    return "ok";
  };
  const isIn = (): boolean => ["serving", "slow_start"].includes(fleet.stateOf("a"));
  return {
    clock,
    lines,
    send,
    isIn,
    break: (how: Fault) => (fault = how),
    mend: () => (fault = undefined),
    [Symbol.asyncDispose]: async () => health[Symbol.asyncDispose](),
  };
};

/** Times of changes that are followed by two more within 30 s. */
const crowded = (changes: readonly number[]): number[] =>
  changes.filter((at, index) => (changes[index + 2] ?? Number.POSITIVE_INFINITY) - at < 30_000);

describe("an engine that comes and goes", () => {
  test("makes the router change its mind twice in any 30 s at most, by probes and requests together", async () => {
    const runs = fc.record({
      seed: fc.integer({ min: 1, max: 2_147_483_646 }),
      upMs: fc.constantFrom(1000, 3000, 8000, 20_000),
      downMs: fc.constantFrom(1000, 3000, 8000, 20_000),
      fault: fc.constantFrom<Fault>("refuses", "answers 500"),
      everyMs: fc.constantFrom(50, 100, 500),
    });
    let changesSeen = 0;
    await fc.assert(
      fc.asyncProperty(runs, async ({ seed, upMs, downMs, fault, everyMs }) => {
        await using engines = start(seed);
        const changes: number[] = [];
        let wasIn = true;
        for (let at = 0; at < 300_000; at += everyMs) {
          if (at % (upMs + downMs) < upMs) engines.mend();
          else engines.break(fault);
          engines.clock.advance(everyMs);
          if (at % 500 === 0) await settle();
          engines.send();
          if (engines.isIn() !== wasIn) {
            wasIn = !wasIn;
            changes.push(engines.clock.monotonic());
          }
        }
        changesSeen += changes.length;
        expect(crowded(changes)).toEqual([]);
      }),
      { numRuns: 40, seed: 7, endOnFailure: true },
    );
    expect(changesSeen).toBeGreaterThan(100);
  }, 60_000);
});

describe("an engine that fails for good", () => {
  test.each(["refuses", "answers 500"] as const)("costs few requests when it %s", async (fault) => {
    await using engines = start(11);
    engines.break(fault);
    let failed = 0;
    for (let at = 0; at < 120_000; at += 50) {
      engines.clock.advance(50);
      if (at % 500 === 0) await settle();
      if (engines.send() === "failed") failed += 1;
    }
    // Five that open its breaker, and the probes at 5, 15, 30, 50, 75 and 105 s, of 2,400 requests.
    expect(failed).toBeLessThanOrEqual(11);
  });

  test("serves again soon after it is mended, although it was probed in vain for long", async () => {
    await using engines = start(13);
    engines.break("answers 500");
    for (let at = 0; at < 60_000; at += 100) {
      engines.clock.advance(100);
      if (at % 500 === 0) await settle();
      engines.send();
    }
    expect(engines.isIn()).toBe(false);
    engines.mend();
    let mendedAfter = 0;
    while (!engines.isIn()) {
      engines.clock.advance(100);
      mendedAfter += 100;
      engines.send();
    }
    // The fifth ejection in a row.
    expect(mendedAfter).toBeLessThanOrEqual(30_000);
  });
});
