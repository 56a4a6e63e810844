import type { Endpoint } from "../core/endpoint.ts";
import { defaultsOf, type OptionValues } from "../core/option.ts";
import { cacheAware } from "./cache-aware.ts";
import {
  disaggregatedPrefill,
  disaggregatedPrefillOrchestrated,
  type Role,
  roleBy,
} from "./disaggregated.ts";
import { leastLoad } from "./least-load.ts";
import { loadAware } from "./load-aware.ts";
import type { Handover, PolicyDeps, PolicyModule, RoutePlan, RoutingPolicy } from "./policy.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { prefixAware } from "./prefix-aware.ts";
import { roundRobin } from "./round-robin.ts";
import { session } from "./session.ts";

/** Every policy by the word of `--routing-logic`; a new policy is one file and one line in each of these two. */
export const policies = {
  [roundRobin.name]: roundRobin,
  [session.name]: session,
  [cacheAware.name]: cacheAware,
  [prefixAware.name]: prefixAware,
  [loadAware.name]: loadAware,
  [leastLoad.name]: leastLoad,
  [powerOfTwo.name]: powerOfTwo,
  [disaggregatedPrefill.name]: disaggregatedPrefill,
  [disaggregatedPrefillOrchestrated.name]: disaggregatedPrefillOrchestrated,
} as const;

/** The options of all policies; a policy reads its own, and those of others are accepted beside any logic. */
export const policyOptions = {
  ...session.options,
  ...prefixAware.options,
  ...loadAware.options,
  ...disaggregatedPrefill.options,
} as const;

/** A word of `--routing-logic`. */
export type RoutingLogic = keyof typeof policies;

/** The chosen policy, with the values of every policy's options. */
export interface RoutingConfig {
  readonly logic: RoutingLogic;
  readonly options: OptionValues<typeof policyOptions>;
}

/** A policy with these options; those that are not given have their defaults. */
export const routingBy = (
  logic: RoutingLogic,
  options: Partial<RoutingConfig["options"]> = {},
): RoutingConfig => ({ logic, options: { ...defaultsOf(policyOptions), ...options } });

/** Sentences about options of the chosen policy that are missing or contradict each other. */
export const routingProblems = ({ logic, options }: RoutingConfig): readonly string[] =>
  policies[logic].problems(options);

/** How a logic hands over what one engine has computed to another; absent where each request is one engine's alone. */
export const handoverOf = (logic: RoutingLogic): Handover | undefined => {
  const module: Pick<PolicyModule, "name" | "handover"> = policies[logic];
  return module.handover;
};

/** The role of each engine; absent where all do the same. */
export const rolesBy = ({
  logic,
  options,
}: RoutingConfig): ((endpoint: Pick<Endpoint, "label">) => Role | undefined) | undefined =>
  handoverOf(logic) && roleBy(options);

/** Creates the configured policy with fresh state. */
export const createPolicy = (
  { logic, options }: RoutingConfig,
  deps: PolicyDeps,
): RoutingPolicy<RoutePlan> => {
  const { create }: Pick<PolicyModule<string, typeof policyOptions>, "create"> = policies[logic];
  return create(options, deps);
};
