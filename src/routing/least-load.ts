import { createEngineBook, describeLoad, outstandingWork } from "./engine-book.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";

const createLeastLoad = (_options: unknown, { random }: PolicyDeps): RoutingPolicy => {
  const book = createEngineBook(() => ({}));
  return {
    plan: (request, candidates) => {
      const { engines, planOn } = book.look(request, candidates);
      const engine = leastOf(engines, outstandingWork, random);
      return planOn(engine, "load", `least load: ${describeLoad(engine)}`);
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
