import { decimalBetween } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { type BookedEngine, describeLoad } from "./engine-load.ts";
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

const requestsOn = ({ waiting, decoding }: BookedEngine): number => waiting + decoding;

const createLoadAware = (
  { loadAwareBeta: beta }: OptionValues<typeof options>,
  { random, book: shared }: PolicyDeps,
): RoutingPolicy => {
  const book = createEngineBook(() => ({}), { book: shared });

  const choose = (sight: Sight<Account>, draw: () => number) => {
    const { engines, tokens, cachedOn, planOn } = sight;
    let sum = 0;
    for (const engine of engines) sum += requestsOn(engine);
    const mean = sum / engines.length;
    const shareOn = (engine: Account): number => cachedOn(engine) / Math.max(1, tokens);
    let best = 0;
    const costOn = (engine: Account): number => {
      const share = shareOn(engine);
      if (share > best) best = share;
      return (beta * (requestsOn(engine) - mean)) / Math.max(1, mean) - share;
    };
    const engine = leastOf(engines, costOn, draw);
    const share = shareOn(engine);
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
