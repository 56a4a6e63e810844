import type { SchedulerConfig } from "../mock-engine/scheduler.ts";
import type { RoutingConfig } from "../routing/index.ts";
import type { FaultEvent } from "./fault-events.ts";
import type { Measures } from "./measures.ts";
import { simulatedPolicies } from "./policies.ts";
import type { PolicyRuns } from "./report.ts";
import { simulate, type SimulationDeps } from "./simulation.ts";
import type { Workload } from "./workloads/workload.ts";

/** Policies that are to be compared on equal work. */
export interface Comparison {
  /** By their names; others are left out. */
  readonly policies: readonly string[];
  readonly options: RoutingConfig["options"];
  /** Each policy is run once with every one of them. */
  readonly seeds: readonly number[];
  /** Creates the workload of a run anew: its requests are walked once. */
  readonly createWorkload: (seed: number) => Workload;
  readonly engines: readonly SchedulerConfig[];
  readonly faults: readonly FaultEvent[];
  readonly ttftLimitMs: number;
}

/** Runs every policy with every seed, in the order in which the policies are named. */
export const comparePolicies = async (
  { policies, options, seeds, createWorkload, engines, faults, ttftLimitMs }: Comparison,
  deps: SimulationDeps,
): Promise<readonly PolicyRuns[]> => {
  const results: PolicyRuns[] = [];
  for (const name of policies) {
    const policy = simulatedPolicies.find((row) => row.name === name);
    if (!policy) continue;
    const runs: Measures[] = [];
    for (const seed of seeds) {
      const workload = createWorkload(seed);
      const createPolicy: Parameters<typeof simulate>[0]["createPolicy"] = (view) =>
        policy.create(view, options, seed);
      runs.push(await simulate({ workload, engines, faults, ttftLimitMs, createPolicy }, deps));
    }
    results.push({ policy: name, runs });
  }
  return results;
};
