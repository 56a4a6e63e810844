import type { Candidate, Candidates, PolicyModule, RoutingPolicy, SinglePlan } from "./policy.ts";

/** Sets of engines whose turn is remembered; beyond that all turns start anew, as in the reference. */
const MAX_SETS = 1024;

interface Turn {
  next: number;
}

const createRoundRobin = (): RoutingPolicy => {
  const turns = new Map<string, Turn>();
  const orders = new WeakMap<Candidates, { readonly sorted: readonly Candidate[]; readonly turn: Turn }>();

  const orderOf = (candidates: Candidates) => {
    const known = orders.get(candidates);
    if (known) return known;
    const byUrl = new Map(candidates.map((candidate) => [candidate.endpoint.url, candidate]));
    const urls = [...byUrl.keys()].sort();
    const key = urls.join(" ");
    if (!turns.has(key) && turns.size >= MAX_SETS) turns.clear();
    const turn = turns.get(key) ?? { next: 0 };
    turns.set(key, turn);
    const order = { sorted: urls.flatMap((url) => byUrl.get(url) ?? []), turn };
    orders.set(candidates, order);
    return order;
  };

  const planOf = (candidates: Candidates, isTaken: boolean): SinglePlan => {
    const { sorted, turn } = orderOf(candidates);
    const index = turn.next % sorted.length;
    if (isTaken) turn.next = index + 1;
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
