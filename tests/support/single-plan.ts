import type { RoutePlan, SinglePlan } from "../../src/routing/policy.ts";

/** A plan that asks one engine; fails where another one is to prefill. */
export const singlePlan = (plan: RoutePlan): SinglePlan => {
  if (plan.kind === "single") return plan;
  throw new Error("expected one engine", { cause: plan });
};
