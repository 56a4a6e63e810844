import type { Candidate, Candidates, PolicyDeps, PolicyModule, RoutingPolicy, SinglePlan } from "./policy.ts";
import { createTurns, type Turn } from "./turns.ts";

const createRoundRobin = (
  _options: unknown = {},
  { turns = createTurns() }: Pick<PolicyDeps, "turns"> = {},
): RoutingPolicy => {
  const orders = new WeakMap<Candidates, { readonly sorted: readonly Candidate[]; readonly turn: Turn }>();

  const orderOf = (candidates: Candidates) => {
    const known = orders.get(candidates);
    if (known) return known;
    const byUrl = new Map(candidates.map((candidate) => [candidate.endpoint.url, candidate]));
    const urls = [...byUrl.keys()].sort();
    const order = { sorted: urls.flatMap((url) => byUrl.get(url) ?? []), turn: turns(urls.join(" ")) };
    orders.set(candidates, order);
    return order;
  };

  const planOf = (candidates: Candidates, isTaken: boolean): SinglePlan => {
    const { sorted, turn } = orderOf(candidates);
    const index = isTaken ? turn.take(sorted.length) : turn.next(sorted.length);
    const { endpoint } = sorted[index] ?? candidates[0];
    return { kind: "single", endpoint, rule: "turn", reason: `turn ${index + 1} of ${sorted.length}` };
  };

  return {
    plan: (_request, candidates) => planOf(candidates, true),
    explain: (_request, candidates) => ({ plan: planOf(candidates, false) }),
  };
};

/** Each engine in turn, in the order of their URLs; every distinct set of engines has its own turn. */
export const roundRobin = {
  name: "roundrobin",
  summary: "each engine in turn",
  options: {},
  problems: () => [],
  create: createRoundRobin,
} as const satisfies PolicyModule<"roundrobin">;
