import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import { createService } from "../../src/fleet/service.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import type { Excluded } from "../../src/health/engine-health.ts";
import { createOutliers } from "../../src/health/outliers.ts";
import type { Ending, Trial } from "../../src/health/trials.ts";
import { mostEjected } from "../../src/health/pool.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createSeveralOutliers } from "../health/several-outliers.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock } from "../support/clock.ts";

const MODELS = ["m", "n", "o"] as const;

const endings: readonly Ending[] = [
  "ended",
  "left",
  { busyMs: 1000 },
  { reason: "it answered 500", isUnreachable: false },
  { reason: "it cannot be reached", isUnreachable: true },
];

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ sends: fc.constantFrom(...MODELS), to: fc.nat({ max: 9 }) }) },
  {
    weight: 16,
    arbitrary: fc.record({
      ends: fc.nat({ max: 20 }),
      as: fc.constantFrom(...endings, ...endings.slice(3), ...endings.slice(3)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ passesMs: fc.constantFrom(0, 10, 1000, 5000, 20_000) }) },
  { weight: 1, arbitrary: fc.record({ excludes: fc.array(fc.nat({ max: 5 }), { maxLength: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ sleeps: fc.nat({ max: 5 }), isAsleep: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ reaches: fc.nat({ max: 5 }) }) },
);

test("whatever happens, no pool loses more than it may, one request at a time probes, and a candidate can be asked", () => {
  const fleets = fc.array(fc.subarray([...MODELS], { minLength: 1 }), { minLength: 1, maxLength: 6 });
  let ejectionsSeen = 0;
  let panicsSeen = 0;
  fc.assert(
    fc.property(
      fleets,
      fc.array(step, { minLength: 20, maxLength: 250 }),
      fc.boolean(),
      (models, steps, isOne) => {
        const clock = createTestClock();
        const { log } = createTestLog(clock);
        const endpoints: readonly Endpoint[] = models.map((served, index) => ({
          id: `e${index}`,
          url: `http://e${index}`,
          models: served,
          addedAt: 0,
        }));
        let excluded: Excluded = { engines: new Set(), models: new Set() };
        const create = isOne ? createOutliers : createSeveralOutliers;
        const outliers = create(
          {
            breaker: { failureThreshold: 2, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 },
            slowStartMs: 30_000,
          },
          {
            clock,
            log,
            random: () => 0.5,
            healthChangedAt: () => undefined,
            onEjected: () => ejectionsSeen++,
          },
        );
        const fleet = createFleet(
          { endpoints, hasSeen: () => true, [Symbol.asyncDispose]: async () => {} },
          createRequestLedger({ windowMs: 60_000 }, { clock }),
          createSleepStates(),
          {
            health: {
              get excluded() {
                return excluded;
              },
            },
            service: createService({ outliers, panicMode: "route" }, { random: () => 0.5 }),
          },
        );
        const underWay: { readonly id: string; readonly trial: Trial }[] = [];
        /** The request that probes, by engine. */
        const probes = new Map<string, Trial>();
        const asleep = new Set<string>();

        /** The engines of a model that are awake, those of them that can serve, and those that are ejected. */
        const poolOf = (model: string) => {
          const pool = endpoints.filter(
            ({ id, models: served }) => served.includes(model) && !asleep.has(id),
          );
          const able = pool.filter(({ id }) => !excluded.engines.has(id));
          const ejected = able.filter(({ id }) => /ejected|half_open/.test(fleet.stateOf(id)));
          const isPanic = 2 * (able.length - ejected.length) < pool.length;
          const isTooMuch = ejected.length > mostEjected(pool.length);
          return { pool, able, ejected, isPanic, isTooMuch };
        };

        for (const does of steps) {
          if ("sends" in does) {
            const drawn = fleet.draw(does.sends);
            const chosen = drawn?.[does.to % drawn.length]?.endpoint;
            if (!chosen) continue;
            const isHalfOpen = fleet.stateOf(chosen.id) === "half_open";
            const { isPanic, isTooMuch } = poolOf(does.sends);
            if (isHalfOpen && !isPanic && !isTooMuch) expect(probes.has(chosen.id)).toBe(false);
            const trial = fleet.begin(chosen, does.sends);
            // Otherwise a request would be planned again for ever.
            if (!trial) throw new Error(`${chosen.id} was drawn and cannot be asked`);
            underWay.push({ id: chosen.id, trial });
            if (isHalfOpen && !probes.has(chosen.id)) probes.set(chosen.id, trial);
          } else if ("ends" in does) {
            const [ended] = underWay.splice(does.ends % (underWay.length || 1), 1);
            if (does.as === "ended") ended?.trial.answered();
            ended?.trial.end(does.as);
            if (ended && probes.get(ended.id) === ended.trial) probes.delete(ended.id);
          } else if ("passesMs" in does) clock.advance(does.passesMs);
          else if ("excludes" in does)
            excluded = { engines: new Set(does.excludes.map((index) => `e${index}`)), models: new Set() };
          else if ("reaches" in does) outliers.reached(`e${does.reaches}`);
          else {
            fleet.setSleeping(`e${does.sleeps}`, does.isAsleep);
            if (does.isAsleep) asleep.add(`e${does.sleeps}`);
            else asleep.delete(`e${does.sleeps}`);
          }

          for (const id of probes.keys()) if (fleet.stateOf(id) !== "half_open") probes.delete(id);
          for (const model of MODELS) {
            const { pool, able, ejected, isPanic } = poolOf(model);
            const candidates = new Set(fleet.candidates(model)?.map(({ endpoint }) => endpoint.id));
            const drawn = fleet.draw(model)?.map(({ endpoint }) => endpoint.id) ?? [];
            expect(drawn.length > 0).toBe(candidates.size > 0);
            expect(candidates.isSupersetOf(new Set(drawn))).toBe(true);
            const out = able.filter(({ id }) => !candidates.has(id));
            expect(out.length).toBeLessThanOrEqual(mostEjected(pool.length));
            if (!isPanic) continue;
            if (ejected.length > 0) panicsSeen += 1;
            expect(out.filter(({ id }) => outliers.standingOf(id).isReachable)).toEqual([]);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
  expect(ejectionsSeen).toBeGreaterThan(300);
  expect(panicsSeen).toBeGreaterThan(100);
});
