import { routingBy, createPolicy, type RoutingConfig, type RoutingLogic } from "../../src/routing/index.ts";
import type { Candidates, SinglePlan, RoutingRequest } from "../../src/routing/policy.ts";
import { requestWith } from "../support/candidates.ts";
import { singlePlan } from "../support/single-plan.ts";

/** A policy whose plans are made at once, with random numbers that always begin alike. */
export const startPolicy = (logic: RoutingLogic, options: Partial<RoutingConfig["options"]> = {}) => {
  let state = 1;
  const random = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const policy = createPolicy(routingBy(logic, options), { random });
  const plan = (request: RoutingRequest, candidates: Candidates): SinglePlan => {
    const planned = policy.plan(request, candidates);
    if (planned instanceof Promise) throw new Error(`${logic} takes its time`);
    return singlePlan(planned);
  };
  /** Plans a request and sends it. */
  const send = (request: RoutingRequest, candidates: Candidates): SinglePlan => {
    const planned = plan(request, candidates);
    planned.watcher?.began();
    return planned;
  };
  return { policy, plan, send };
};

/** A streaming request with this prompt, routed at this time in milliseconds. */
export const promptAt = (prompt: string, at = 0): RoutingRequest =>
  requestWith({ body: { prompt, stream: true }, at });

/** Plays an answer to its end: its stream begins so many milliseconds after it was sent. */
export const answer = ({ watcher }: SinglePlan, afterMs = 0): void => {
  watcher?.streamBegan(afterMs);
  watcher?.ended("done", afterMs, true);
};
