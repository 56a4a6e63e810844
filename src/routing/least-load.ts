import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { describeLoad, outstandingWork } from "./engine-load.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy, SinglePlan } from "./policy.ts";

const createLeastLoad = (_options: unknown, { random, book: shared }: PolicyDeps): RoutingPolicy => {
  const book = createEngineBook(() => ({}), { book: shared });
  const choose = ({ engines, planOn }: Sight<Account>, draw: () => number): SinglePlan => {
    const engine = leastOf(engines, outstandingWork, draw);
    return planOn(engine, "load", `least load: ${describeLoad(engine)}`);
  };
  return {
    plan: (request, candidates) => choose(book.look(request, candidates), random),
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      return { plan: choose(sight, first), unit: "tokens", ...standingsOf(sight, outstandingWork) };
    },
    keepOnly: book.keepOnly,
  };
};

/** The engine with the least outstanding work: prompt tokens that it has still to compute, and running answers. */
export const leastLoad = {
  name: "leastload",
  summary: "the engine with the least outstanding work",
  options: {},
  problems: () => [],
  create: createLeastLoad,
} as const satisfies PolicyModule<"leastload">;
