import { decimalBetween } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { describeLoad, requestsOn } from "./engine-load.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";

const options = {
  loadAwareBeta: {
    group: "Routing",
    argument: "<factor>",
    schema: decimalBetween(0, 1000, "give 0 to 1000"),
    default: "1",
    help: "Share of a prompt found in the cache that twice the mean load outweighs (loadaware routing).",
  },
} as const satisfies OptionTable;

const createLoadAware = (
  { loadAwareBeta: beta }: OptionValues<typeof options>,
  { random, book: shared }: PolicyDeps,
): RoutingPolicy => {
  const book = createEngineBook(() => ({}), { book: shared });

  const choose = (sight: Sight<Account>, draw: () => number) => {
    const { engines, tokens, bytesPerToken, planOn } = sight;
    const { bytes, most } = sight.held();
    const requests = new Int32Array(engines.length);
    let sum = 0;
    for (let index = 0; index < requests.length; index += 1) {
      const own = requestsOn(engines[index] ?? engines[0]);
      requests[index] = own;
      sum += own;
    }
    const mean = sum / engines.length;
    const shareOf = (held: number): number => held / bytesPerToken / Math.max(1, tokens);
    const costOn = (_engine: Account, index: number): number => {
      const held = bytes[index] ?? 0;
      const excess = (beta * ((requests[index] ?? 0) - mean)) / Math.max(1, mean);
      return held === 0 ? excess : excess - shareOf(held);
    };
    const engine = leastOf(engines, costOn, draw);
    const best = shareOf(most);
    const share = shareOf(sight.bytesOn(engine));
    const rule = best === 0 ? "cold" : share < best ? "spread" : "prefix";
    const plan = planOn(engine, rule, `${Math.round(share * 100)} % cached, ${describeLoad(engine)}`);
    return { plan, costOn };
  };

  return {
    plan: (request, candidates) => choose(book.look(request, candidates), random).plan,
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      const { plan, costOn } = choose(sight, first);
      return { plan, unit: "score", ...standingsOf(sight, costOn) };
    },
    keepOnly: book.keepOnly,
  };
};

/** The best of cached share minus load beyond the mean, as the Python router's later releases score it. */
export const loadAware = {
  name: "loadaware",
  summary: "the best score of cached share minus load beyond the mean",
  options,
  problems: () => [],
  create: createLoadAware,
} as const satisfies PolicyModule<"loadaware", typeof options>;
