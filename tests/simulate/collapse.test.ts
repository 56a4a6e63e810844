import { expect, test } from "bun:test";
import { defaultsOf } from "../../src/core/option.ts";
import { policies, policyOptions } from "../../src/routing/index.ts";
import { simulatedPolicies } from "../../src/simulate/policies.ts";
import { simulate } from "../../src/simulate/simulation.ts";
import { sameFirstBlock } from "../../src/simulate/workloads/same-first-block.ts";
import { config } from "../mock-engine/virtual-time.ts";

const ENGINES = 8;

test.each(simulatedPolicies.filter(({ name }) => name in policies))(
  "$name does not send everything to one engine because every prompt begins with the same block",
  async (policy) => {
    const measures = await simulate(
      {
        workload: sameFirstBlock.create({ requests: 1200, rate: 1, engines: ENGINES, seed: 1 }),
        engines: Array.from({ length: ENGINES }, () => config),
        faults: [],
        ttftLimitMs: 2000,
        createPolicy: (view) => policy.create(view, defaultsOf(policyOptions), 1),
      },
      { monotonic: () => 0 },
    );
    expect(measures.imbalance).toBeLessThan(1.5);
    expect(measures.finished).toBe(1200);
  },
);
