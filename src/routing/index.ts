import { defaultsOf, type OptionValues } from "../core/option.ts";
import { cacheAware } from "./cache-aware.ts";
import { leastLoad } from "./least-load.ts";
import { loadAware } from "./load-aware.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";
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
} as const;

/** The options of all policies; a policy reads its own, and those of others are accepted beside any logic. */
export const policyOptions = { ...session.options, ...prefixAware.options, ...loadAware.options } as const;

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

/** Creates the configured policy with fresh state. */
export const createPolicy = ({ logic, options }: RoutingConfig, deps: PolicyDeps): RoutingPolicy => {
  const { create }: Pick<PolicyModule<string, typeof policyOptions>, "create"> = policies[logic];
  return create(options, deps);
};
