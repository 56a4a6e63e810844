import {
  createPolicy,
  handoverOf,
  policies,
  type RoutingConfig,
  type RoutingLogic,
} from "../routing/index.ts";
import type { RoutePlan, RoutingPolicy } from "../routing/policy.ts";
import { contenders } from "./contenders/catalog.ts";
import type { FleetView } from "./fleet-view.ts";
import { createRandom } from "./random.ts";

/** A policy that can be simulated: one of the router's own, or a contender. */
export interface SimulatedPolicy {
  readonly name: string;
  readonly summary: string;
  readonly create: (
    view: FleetView,
    options: RoutingConfig["options"],
    seed: number,
  ) => RoutingPolicy<RoutePlan>;
}

/** Sets the draws of policies apart from those of workloads. */
const SALT = 99;

// A simulated engine computes what it answers.
const logics = (Object.keys(policies) as RoutingLogic[]).filter((logic) => handoverOf(logic) === undefined);

const own = logics.map((logic): SimulatedPolicy => ({
  name: logic,
  summary: policies[logic].summary,
  create: (_view, options, seed) => createPolicy({ logic, options }, { random: createRandom(seed, SALT) }),
}));

/** Every policy by the word of `--policies`; those of the router come first. */
export const simulatedPolicies: readonly SimulatedPolicy[] = [
  ...own,
  ...contenders.map(({ name, summary, create }): SimulatedPolicy => ({
    name,
    summary,
    create: (view, _options, seed) => create(view, createRandom(seed, SALT)),
  })),
];
