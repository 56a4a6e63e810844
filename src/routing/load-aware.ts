import { decimalBetween } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { type BookedEngine, createEngineBook, describeLoad } from "./engine-book.ts";
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
  { random }: PolicyDeps,
): RoutingPolicy => {
  const book = createEngineBook(() => ({}));
  return {
    plan: (request, candidates) => {
      const { engines, tokens, cachedOn, planOn } = book.look(request, candidates);
      let sum = 0;
      for (const engine of engines) sum += requestsOn(engine);
      const mean = sum / engines.length;
      const shareOn = (engine: (typeof engines)[0]): number => cachedOn(engine) / Math.max(1, tokens);
      let best = 0;
      const engine = leastOf(
        engines,
        (each) => {
          const share = shareOn(each);
          if (share > best) best = share;
          return (beta * (requestsOn(each) - mean)) / Math.max(1, mean) - share;
        },
        random,
      );
      const share = shareOn(engine);
      const rule = best === 0 ? "cold" : share < best ? "spread" : "prefix";
      return planOn(engine, rule, `${Math.round(share * 100)} % cached, ${describeLoad(engine)}`);
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
