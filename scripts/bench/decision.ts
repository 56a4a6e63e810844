import { createPolicy, handoverOf, policies, routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import type { Candidate, Candidates, RoutePlan, RoutingPolicy } from "../../src/routing/policy.ts";

/** What a decision is measured with. */
export interface DecisionSetup {
  readonly engines: number;
  /** The beginnings of conversations, one of which each request has. */
  readonly prompts: readonly Uint8Array[];
  readonly random: () => number;
}

const WARM_UP = 300;
const ROUNDS = 1500;

const candidatesOf = (count: number): Candidates => {
  const [first, ...rest] = Array.from({ length: count }, (_, index): Candidate => ({
    endpoint: { id: `e${index}`, url: `http://e${index}`, models: ["m"], addedAt: 0 },
    requests: { inPrefill: 0, inDecode: 0, qps: 0 },
  }));
  if (!first) throw new Error("a fleet needs an engine");
  return [first, ...rest];
};

/** The middle of some values. */
const middle = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

const measurePolicy = async (
  policy: RoutingPolicy<RoutePlan>,
  { engines, prompts, random }: DecisionSetup,
): Promise<number> => {
  const candidates = candidatesOf(engines);
  const times: number[] = [];
  const headers = new Headers();
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const bytes = prompts[Math.floor(random() * prompts.length)] ?? new Uint8Array();
    const request = {
      model: "m",
      headers,
      at: round * 10,
      field: (name: string) => name === "stream",
      prompt: () => ({ root: "m", bytes }),
    };
    const begin = performance.now();
    const plan = await policy.plan(request, candidates);
    if (plan.kind !== "single") throw new Error("no engine was chosen");
    plan.watcher?.began();
    const elapsed = performance.now() - begin;
    plan.watcher?.streamBegan(20);
    plan.watcher?.ended("done", 100, true);
    if (!candidates.some(({ endpoint }) => endpoint === plan.endpoint))
      throw new Error("no candidate was chosen");
    if (round >= WARM_UP) times.push(elapsed);
  }
  return 1000 * middle(times);
};

/** Median microseconds of a plan of a policy and its booking; the prompt is at hand. */
export const measureDecision = async (logic: RoutingLogic, setup: DecisionSetup): Promise<number> => {
  const policy = createPolicy(routingBy(logic, { sessionKey: "x-user" }), { random: setup.random });
  return measurePolicy(policy, setup);
};

/** Every policy that chooses one engine for a request: others need engines with roles. */
export const decidingPolicies = (Object.keys(policies) as RoutingLogic[]).filter(
  (logic) => handoverOf(logic) === undefined,
);
