import { createEngineBook } from "./engine-book.ts";
import { describeLoad, outstandingWork } from "./engine-load.ts";
import { standingsOf } from "./explanation.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";

const createPowerOfTwo = (_options: unknown, { random, book: shared }: PolicyDeps): RoutingPolicy => {
  const book = createEngineBook(() => ({}), { book: shared });
  return {
    plan: (request, candidates) => {
      const { engines, planOn } = book.look(request, candidates);
      const first = Math.floor(random() * engines.length);
      // Drawn from the others, so that the two differ where there are two.
      const second = (first + 1 + Math.floor(random() * (engines.length - 1))) % engines.length;
      const [one, other] = [engines[first] ?? engines[0], engines[second] ?? engines[0]];
      const engine = outstandingWork(other) < outstandingWork(one) ? other : one;
      return planOn(engine, "load", `less load of two: ${describeLoad(engine)}`);
    },
    // Which two are drawn nobody knows.
    explain: (request, candidates) => ({
      unit: "tokens",
      ...standingsOf(book.look(request, candidates), outstandingWork),
    }),
    keepOnly: book.keepOnly,
  };
};

/** Of two engines drawn at random the one with less outstanding work; routers that know nothing of each other do not herd. */
export const powerOfTwo = {
  name: "poweroftwo",
  summary: "of two engines drawn at random the one with less outstanding work",
  options: {},
  problems: () => [],
  create: createPowerOfTwo,
} as const satisfies PolicyModule<"poweroftwo">;
