import type { Candidate } from "../../routing/policy.ts";
import { bestOf } from "./best-of.ts";
import type { Contender } from "./contender.ts";
import { createInFlight } from "./in-flight.ts";
import { createRoutedPrefixes } from "./routed-prefixes.ts";

/** The default of `maxPrefixBlocksToMatch`. */
const MAX_BLOCKS = 256;
/** The default of `lruCapacityPerServer`, in blocks. */
const LRU_CAPACITY = 31_250;

/** Weights of the default profile. */
const PREFIX_WEIGHT = 3;
const QUEUE_WEIGHT = 2;
const CACHE_WEIGHT = 2;

/**
 * llm-d's default profile by its documentation: the highest sum of the prefix's share (weight 3), the place between
 * the longest and the shortest queue (2) and the free share of the cache (2), these two as engines tell them now.
 */
export const llmd = {
  name: "llm-d",
  summary: "llm-d's default scorers: prefix 3, queue 2, free cache 2",
  create: (view, random) => {
    const prefixes = createRoutedPrefixes(LRU_CAPACITY);
    return {
      keepOnly: prefixes.keepOnly,
      plan: (_request, candidates) => {
        const { blockHashes, promptTokens } = view.request();
        const blocks = Math.min(MAX_BLOCKS, Math.floor(promptTokens / view.blockSize));
        const queueOf = ({ endpoint }: Candidate): number => view.stats(endpoint.id).waiting ?? 0;
        const queues = candidates.map(queueOf);
        const [shortest, longest] = [Math.min(...queues), Math.max(...queues)];
        const scoreOf = (candidate: Candidate): number => {
          const { id } = candidate.endpoint;
          const prefix = blocks === 0 ? 0 : prefixes.match(id, blockHashes, blocks) / blocks;
          const queue = longest === shortest ? 1 : (longest - queueOf(candidate)) / (longest - shortest);
          const cache = 1 - (view.stats(id).kvCacheUsage ?? 0);
          return PREFIX_WEIGHT * prefix + QUEUE_WEIGHT * queue + CACHE_WEIGHT * cache;
        };
        const { endpoint } = bestOf(candidates, scoreOf, random);
        prefixes.add(endpoint.id, blockHashes, blocks);
        return { endpoint, kind: "single", rule: "load", reason: "highest score" };
      },
    };
  },
} as const satisfies Contender;

/** The defaults of `affinityThreshold`, `explorationProbability` and `maxTTFTPenaltyMs`. */
const AFFINITY = 0.8;
const EXPLORATION = 0.01;
const MAX_PENALTY_MS = 18_000;

/**
 * llm-d's "sticky until saturated" by its documentation: among the engines that hold 80 % of the prompt, unless their
 * first token is expected 18 s later than elsewhere, the one with the fewest uncached tokens in flight. The peak
 * prefill rate, which operators have to calibrate, is that of the engine itself.
 */
export const llmdSticky = {
  name: "llm-d-sticky",
  summary: "llm-d's prefix affinity filter with the token load scorer: sticky until saturated",
  create: (view, random) => {
    const prefixes = createRoutedPrefixes(LRU_CAPACITY);
    const inFlight = createInFlight();
    return {
      keepOnly: prefixes.keepOnly,
      plan: (_request, candidates) => {
        const { blockHashes, promptTokens } = view.request();
        const blocks = Math.min(MAX_BLOCKS, Math.floor(promptTokens / view.blockSize));
        const shareOn = ({ endpoint }: Candidate): number =>
          blocks === 0 ? 0 : prefixes.match(endpoint.id, blockHashes, blocks) / blocks;
        const ttftOf = ({ endpoint: { id } }: Candidate): number =>
          (1000 * inFlight.tokens(id)) / view.prefillTokensPerSecond(id);
        const leastTtft = (list: readonly Candidate[]): number => Math.min(...list.map(ttftOf));

        const sticky = candidates.filter((candidate) => shareOn(candidate) >= AFFINITY);
        const others = candidates.filter((candidate) => !sticky.includes(candidate));
        const [first, ...rest] = sticky;
        const isSaturated = leastTtft(sticky) - leastTtft(others) > MAX_PENALTY_MS;
        const isSticky = first !== undefined && !isSaturated && random() >= EXPLORATION;
        const pool = isSticky ? ([first, ...rest] as const) : candidates;
        const chosen = bestOf(pool, ({ endpoint }) => -inFlight.tokens(endpoint.id), random);
        const { endpoint } = chosen;
        const uncached = promptTokens * (1 - shareOn(chosen));
        prefixes.add(endpoint.id, blockHashes, blocks);
        return {
          endpoint,
          kind: "single",
          rule: isSticky ? "prefix" : "load",
          reason: "fewest tokens in flight",
          watcher: inFlight.watch(endpoint.id, uncached),
        };
      },
    };
  },
} as const satisfies Contender;
