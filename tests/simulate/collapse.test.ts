import { expect, test } from "bun:test";
import { defaultsOf } from "../../src/core/option.ts";
import { policies, policyOptions } from "../../src/routing/index.ts";
import { type SimulatedPolicy, simulatedPolicies } from "../../src/simulate/policies.ts";
import { SESSION_HEADER, simulate } from "../../src/simulate/simulation.ts";
import { agentic } from "../../src/simulate/workloads/agentic.ts";
import { sameFirstBlock } from "../../src/simulate/workloads/same-first-block.ts";
import type { WorkloadModule } from "../../src/simulate/workloads/workload.ts";
import { config } from "../mock-engine/virtual-time.ts";

const ENGINES = 8;
const own = simulatedPolicies.filter(({ name }) => name in policies);

const play = async ({ create }: SimulatedPolicy, workload: WorkloadModule, requests: number) =>
  simulate(
    {
      workload: workload.create({ requests, rate: 1, engines: ENGINES, seed: 1 }),
      engines: Array.from({ length: ENGINES }, () => config),
      faults: [],
      ttftLimitMs: 2000,
      createPolicy: (view) => create(view, { ...defaultsOf(policyOptions), sessionKey: SESSION_HEADER }, 1),
    },
    { monotonic: () => 0 },
  );

test.each(own)(
  "$name does not send everything to one engine because every prompt begins with the same block",
  async (policy) => {
    const measures = await play(policy, sameFirstBlock, 1200);
    expect(measures.imbalance).toBeLessThan(1.5);
    expect(measures.finished).toBe(1200);
  },
);

test("agents that open alike do not crowd where the opening is, until their contexts are too much for its cache", async () => {
  const [cacheaware, session] = await Promise.all(
    ["cacheaware", "session"].map(async (name) => {
      const policy = own.find((each) => each.name === name);
      return policy && play(policy, agentic, 1500);
    }),
  );
  if (!cacheaware || !session) throw new Error("a policy is gone");
  expect(cacheaware.imbalance).toBeLessThan(1.5);
  expect(cacheaware.hitRate).toBeGreaterThan(0.99 * session.hitRate);
  expect(cacheaware.ttftMeanMs).toBeLessThan(1.1 * session.ttftMeanMs);
});
