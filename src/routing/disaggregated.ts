import { commaList } from "../config/schemas.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { cacheAware } from "./cache-aware.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { type BookedEngine, describeLoad, requestsOn } from "./engine-load.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutePlan, RoutingPolicy, RoutingRequest } from "./policy.ts";

const options = {
  prefillModelLabels: {
    group: "Routing",
    argument: "<labels>",
    schema: commaList,
    help: "Labels of the engines that prefill, comma-separated (disaggregated routing). A label is that of --static-model-labels, or the pod's label `model`.",
  },
  decodeModelLabels: {
    group: "Routing",
    argument: "<labels>",
    schema: commaList,
    help: "Labels of the engines that decode, comma-separated (disaggregated routing).",
  },
} as const satisfies OptionTable;

type Options = OptionValues<typeof options>;

/** What an engine does in a fleet where some prefill for others. */
export type Role = "prefill" | "decode";

/** The role of an engine by its label, which counts as a whole; none where nobody named it. */
export const roleBy =
  ({ prefillModelLabels = [], decodeModelLabels = [] }: Options) =>
  ({ label }: Pick<Endpoint, "label">): Role | undefined => {
    if (label === undefined) return undefined;
    if (prefillModelLabels.includes(label)) return "prefill";
    return decodeModelLabels.includes(label) ? "decode" : undefined;
  };

/** What a request that an engine has weighs, in prompt tokens. */
const REQUEST_TOKENS = 200;
/** Below this many tokens in the cache of the engine that answers, a prefill elsewhere is not worth a question. */
const LEAST_HELD = 512;
/** So many tokens may be missing there: a small part of what an engine computes beside its streams in one step. */
const MOST_MISSING = 512;

const loadOf = (engine: BookedEngine): number => REQUEST_TOKENS * requestsOn(engine);

/**
 * The engine that answers has the least to do, where to compute the prompt anew counts as work. It is asked alone
 * where it holds nearly all of the prompt; otherwise another engine prefills, chosen by queue and cache.
 */
const createDisaggregated = (_options: unknown, deps: PolicyDeps): RoutingPolicy<RoutePlan> => {
  const book = createEngineBook(() => ({}), deps);
  const prefill = cacheAware.create({}, { ...deps, book: deps.prefillBook });

  const choose = (
    { engines, tokens, cachedOn, planOn }: Sight<Account>,
    { canPrefill = false }: RoutingRequest,
    draw: () => number,
  ): { readonly plan: RoutePlan; readonly costOn: (engine: Account) => number } => {
    const isHeldBy = (engine: Account): boolean =>
      cachedOn(engine) >= LEAST_HELD && tokens - cachedOn(engine) <= MOST_MISSING;
    const costOn = (engine: Account): number =>
      loadOf(engine) + (canPrefill && !isHeldBy(engine) ? tokens : 0);
    const engine = leastOf(engines, costOn, draw);
    if (!canPrefill) return { plan: planOn(engine, "load", `least load: ${describeLoad(engine)}`), costOn };
    const held = `${Math.round(cachedOn(engine))} of ${Math.round(tokens)} tokens cached`;
    const plan: RoutePlan = isHeldBy(engine)
      ? planOn(engine, "held", `no prefill needed, ${held}: ${describeLoad(engine)}`)
      : { kind: "disaggregated", reason: `${held} where it would be answered` };
    return { plan, costOn };
  };

  return {
    plan: (request, candidates) => choose(book.look(request, candidates), request, deps.random).plan,
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      const { plan, costOn } = choose(sight, request, first);
      return { plan, unit: "tokens", ...standingsOf(sight, costOn) };
    },
    prefill,
    keepOnly: (endpointIds) => {
      book.keepOnly(endpointIds);
      prefill.keepOnly?.(endpointIds);
    },
  };
};

const problems = ({ prefillModelLabels = [], decodeModelLabels = [] }: Options): readonly string[] => {
  const named = (labels: readonly string[]) => labels.some((label) => label !== "");
  const both = prefillModelLabels.filter((label) => decodeModelLabels.includes(label));
  return [
    ...(named(prefillModelLabels)
      ? []
      : [
          "Labels of the engines that prefill must be provided for disaggregated routing; give --prefill-model-labels.",
        ]),
    ...(named(decodeModelLabels)
      ? []
      : [
          "Labels of the engines that decode must be provided for disaggregated routing; give --decode-model-labels.",
        ]),
    ...both.map(
      (label) =>
        `The label ${JSON.stringify(label)} is in --prefill-model-labels and in --decode-model-labels; give each in one of them.`,
    ),
  ];
};

/** One engine prefills and another answers, which finds what was computed in a cache that they share, such as LMCache. */
export const disaggregatedPrefill = {
  name: "disaggregated_prefill",
  summary: "one engine prefills, another answers; they share their caches (LMCache)",
  options,
  problems,
  handover: "cache",
  create: createDisaggregated,
} as const satisfies PolicyModule<"disaggregated_prefill", typeof options>;

/** One engine prefills and another answers, which fetches what was computed by `kv_transfer_params` (NIXL). */
export const disaggregatedPrefillOrchestrated = {
  name: "disaggregated_prefill_orchestrated",
  summary: "one engine prefills, another answers and fetches what was computed by kv_transfer_params (NIXL)",
  options,
  problems,
  handover: "parameters",
  create: createDisaggregated,
} as const satisfies PolicyModule<"disaggregated_prefill_orchestrated", typeof options>;
