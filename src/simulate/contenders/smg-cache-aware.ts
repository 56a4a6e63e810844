import type { Candidate } from "../../routing/policy.ts";
import { bestOf } from "./best-of.ts";
import type { Contender } from "./contender.ts";
import { createInFlight } from "./in-flight.ts";

/** The defaults of `--cache-threshold`, `--balance-abs-threshold` and `--balance-rel-threshold`. */
const CACHE_THRESHOLD = 0.3;
const BALANCE_ABS = 64;
const BALANCE_REL = 1.5;
/** Blocks of the tree; beyond that it begins anew. */
const MAX_BLOCKS = 4_000_000;

/**
 * `cache_aware` of SMG, once sglang-router, by its documentation: the engine that was last sent the longest prefix,
 * if that is more than 30 % of the prompt; otherwise, and whenever the numbers of requests lie apart by more than 64
 * and more than half, the engine with the fewest.
 */
export const smgCacheAware = {
  name: "smg-cache-aware",
  summary: "SMG (sglang-router) cache_aware: the longest prefix until the load is uneven",
  create: (view, random) => {
    const inFlight = createInFlight();
    const owners = new Map<number, string>();

    /** The engine at the end of the longest known prefix, and how many blocks that has. */
    const longest = (hashes: ArrayLike<number>, count: number) => {
      let owner: string | undefined;
      for (let index = 0; index < count; index += 1) {
        const next = owners.get(hashes[index] ?? 0);
        if (next === undefined) return { owner, matched: index };
        owner = next;
      }
      return { owner, matched: count };
    };

    return {
      plan: (_request, candidates) => {
        const { blockHashes, promptTokens } = view.request();
        const blocks = Math.floor(promptTokens / view.blockSize);
        const loadOf = ({ endpoint }: Candidate): number => inFlight.requests(endpoint.id);
        const loads = candidates.map(loadOf);
        const [least, most] = [Math.min(...loads), Math.max(...loads)];
        const isEven = most - least <= BALANCE_ABS || most <= BALANCE_REL * least;
        const { owner, matched } = isEven ? longest(blockHashes, blocks) : { owner: undefined, matched: 0 };
        const holder = candidates.find(({ endpoint }) => endpoint.id === owner);
        const isSticky = holder !== undefined && matched > CACHE_THRESHOLD * blocks;
        const { endpoint } = isSticky ? holder : bestOf(candidates, (each) => -loadOf(each), random);
        if (owners.size > MAX_BLOCKS) owners.clear();
        for (let index = 0; index < blocks; index += 1) owners.set(blockHashes[index] ?? 0, endpoint.id);
        return {
          endpoint,
          kind: "single",
          rule: isSticky ? "prefix" : "load",
          reason: isSticky ? `${matched} of ${blocks} blocks` : "fewest requests",
          watcher: inFlight.watch(endpoint.id, 0),
        };
      },
    };
  },
} as const satisfies Contender;
