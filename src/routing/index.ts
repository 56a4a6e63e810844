import type { OptionValues } from "../core/option.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";
import { roundRobin } from "./round-robin.ts";
import { session } from "./session.ts";

/** Every policy by the word of `--routing-logic`; a new policy is one file and one line in each of these two. */
export const policies = { [roundRobin.name]: roundRobin, [session.name]: session } as const;

/** The options of all policies; a policy reads its own, and those of others are accepted beside any logic. */
export const policyOptions = { ...roundRobin.options, ...session.options } as const;

/** A word of `--routing-logic`. */
export type RoutingLogic = keyof typeof policies;

/** The chosen policy, with the values of every policy's options. */
export interface RoutingConfig {
  readonly logic: RoutingLogic;
  readonly options: OptionValues<typeof policyOptions>;
}

/** Sentences about options of the chosen policy that are missing or contradict each other. */
export const routingProblems = ({ logic, options }: RoutingConfig): readonly string[] =>
  policies[logic].problems(options);

/** Creates the configured policy with fresh state. */
export const createPolicy = ({ logic, options }: RoutingConfig, deps: PolicyDeps): RoutingPolicy => {
  const { create }: Pick<PolicyModule<string, typeof policyOptions>, "create"> = policies[logic];
  return create(options, deps);
};
