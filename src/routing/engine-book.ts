import type { EngineCells } from "../core/engine-cells.ts";
import type { RequestWatcher } from "../core/request-stats.ts";
import { type BookedEngine, createLoad, type EngineLoad, joinLoad, requestsOn } from "./engine-load.ts";
import { createHeldBytes, type Held, NOWHERE } from "./held-bytes.ts";
import type {
  Candidate,
  Candidates,
  Prompt,
  RouteRule,
  RoutingRequest,
  SharedBook,
  SinglePlan,
} from "./policy.ts";
import { createPrefixIndex, INDEX_CAPACITY, type PrefixIndex } from "./prefix-index.ts";
import { blocksOf, type PromptBlocks } from "./prompt-blocks.ts";

/** A request as it stands to each of its candidates. */
export interface Sight<Engine extends BookedEngine> {
  /** In the order of the candidates. */
  readonly engines: readonly [Engine, ...Engine[]];
  /** Tokens of the prompt, as far as its bytes tell. */
  readonly tokens: number;
  readonly bytesPerToken: number;
  readonly blocks: PromptBlocks;
  /** Bytes of its blocks that an engine is likely to hold in its cache; to be asked while the policy plans. */
  readonly bytesOn: (engine: Engine) => number;
  /** The same of all of them, at the cost of a few; to be read while the policy plans. */
  readonly held: () => Held;
  /** What an engine holds in tokens. */
  readonly cachedOn: (engine: Engine) => number;
  /**
   * A plan that books the request on an engine while it is there, and learns from its end. It is booked with the tokens
   * that the engine misses, where the policy knows better than what the blocks say.
   */
  readonly planOn: (
    engine: Engine,
    rule: RouteRule,
    reason: string,
    missing?: number,
  ) => SinglePlan & { readonly watcher: RequestWatcher };
}

/** Exact accounts of outstanding work, and what the caches of engines are likely to hold. */
export interface EngineBook<Extra> {
  readonly look: (request: RoutingRequest, candidates: Candidates) => Sight<Account & Extra>;
  /** Forgets the caches of all other engines at once, and the engines when they have no requests left. */
  readonly keepOnly: (endpointIds: ReadonlySet<string>) => void;
}

/** An engine as a book has it; only the book writes it. */
export interface Account extends EngineLoad {
  /** Absent where no other thread has numbers of it. */
  readonly cells: EngineCells | undefined;
  /** Where the prefix index has the engine; absent while it cannot serve. */
  place: number | undefined;
  /** Bytes of prompts that its cache is taken to hold; 0 before its first request. */
  limit: number;
  /** Tokens that it says its cache holds. */
  told: number | undefined;
}

/** Bytes of a token until answers have told better. */
const BYTES_PER_TOKEN = 4;
/** Share of each answer in what is known of bytes and tokens. */
const TOKENS_GAIN = 0.05;
/** Models whose bytes for each token are kept. */
const MAX_MODELS = 1024;
/** What a cache holds where the engine does not say: a large GPU beside a small model. */
const CACHE_TOKENS = 500_000;
/** Tokens by which the cached part of a prompt may differ from what was expected, for blocks do not begin together. */
const SLACK_TOKENS = 512;
/** How a limit follows answers that had less, or more, in the cache than expected; and how far. */
const SHRINK = 0.97;
const GROW = 1.01;
const LIMIT_RANGE = 16;

const NO_BLOCKS: PromptBlocks = { count: 0, hashes: new Int32Array(), ends: new Int32Array(), length: 0 };

const cacheTokensOf = ({ engine }: Candidate): number | undefined =>
  engine?.blockCount !== undefined && engine.blockSize !== undefined
    ? engine.blockCount * engine.blockSize
    : undefined;

/** Engines of candidates, and where the prefix index has them. */
interface Fleet<Engine> {
  readonly list: readonly [Engine, ...Engine[]];
  readonly places: Int32Array;
}

interface BookOptions {
  readonly cut?: (prompt: Prompt) => PromptBlocks;
  /** Absent where no other thread writes it. */
  readonly book?: SharedBook | undefined;
}

/** A book in which a policy keeps something of its own for each engine, with numbers in common where others write it. */
export const createEngineBook = <Extra extends object>(
  open: (cells: EngineCells | undefined) => Extra,
  { cut = blocksOf, book }: BookOptions = {},
): EngineBook<Extra> => {
  const index: PrefixIndex<number | undefined> =
    book?.index ?? createPrefixIndex({ capacity: INDEX_CAPACITY });
  const engines = new Map<string, Account & Extra>();
  const bytesPerToken = new Map<string, number>();
  let known = new WeakMap<Candidates, Fleet<Account & Extra>>();
  const heldAt = createHeldBytes();

  const forget = (engine: Account): void => {
    if (engine.place !== undefined) index.remove(engine.place);
    engine.place = undefined;
    engine.limit = 0;
    known = new WeakMap();
  };

  const engineOf = ({ endpoint: { id } }: Candidate): Account & Extra => {
    let engine = engines.get(id);
    const cells = book?.find(id, engine?.cells);
    if (!engine || engine.cells !== cells) {
      // Another engine under the id of one that is gone.
      if (engine) forget(engine);
      const load = cells ? joinLoad(cells) : createLoad();
      const account: Account = Object.assign(load, { cells, place: undefined, limit: 0, told: undefined });
      engine = Object.assign(account, open(cells));
      engines.set(id, engine);
    }
    // Where others share the index, one of them may have taken the engine for gone while this thread did not look.
    if (book || engine.place === undefined) engine.place = index.add(cells?.slot);
    return engine;
  };

  const fleetOf = (candidates: Candidates): Fleet<Account & Extra> => {
    let fleet = known.get(candidates);
    if (!fleet) {
      const [first, ...rest] = candidates;
      const list = [engineOf(first), ...rest.map(engineOf)] as const;
      fleet = { list, places: Int32Array.from(list, ({ place = NOWHERE }) => place) };
      known.set(candidates, fleet);
    }
    return fleet;
  };

  const setLimit = (engine: Account, place: number, bytes: number): void => {
    engine.limit = bytes;
    index.limit(place, bytes);
  };

  const learnTokens = (model: string, ratio: number): void => {
    const before = bytesPerToken.get(model);
    if (before === undefined && bytesPerToken.size >= MAX_MODELS) bytesPerToken.clear();
    bytesPerToken.set(model, before === undefined ? ratio : before + TOKENS_GAIN * (ratio - before));
  };

  return {
    look: ({ model, prompt }, candidates) => {
      const { list, places } = fleetOf(candidates);
      const given = prompt();
      const blocks = given ? cut(given) : NO_BLOCKS;
      const ratio = bytesPerToken.get(model) ?? BYTES_PER_TOKEN;
      const tokens = blocks.length / ratio;
      let matched: Int32Array | undefined;
      const match = (): Int32Array => (matched ??= index.match(blocks));
      const bytesOn = ({ place }: Account): number => (place === undefined ? 0 : (match()[place] ?? 0));

      const bookOn = (engine: Account & Extra, candidate: Candidate, missing?: number): RequestWatcher => {
        const expected =
          matched || engine.place === undefined ? bytesOn(engine) : index.matchOn(blocks, engine.place);
        const own = missing ?? Math.max(1, (blocks.length - expected) / ratio);
        const { place } = engine;
        let hasBegun = false;

        const learnCache = (input: number, cached: number): void => {
          if (engine.place !== place || place === undefined) return;
          const surplus = cached - (expected * input) / Math.max(1, blocks.length);
          if (Math.abs(surplus) <= SLACK_TOKENS) return;
          const base = (engine.told ?? CACHE_TOKENS) * ratio;
          const limit = engine.limit * (surplus < 0 ? SHRINK : GROW);
          setLimit(engine, place, Math.min(base * LIMIT_RANGE, Math.max(base / LIMIT_RANGE, limit)));
        };

        return {
          began: () => {
            engine.queue(own);
            if (engine.place !== place || place === undefined) return;
            const told = cacheTokensOf(candidate) ?? engine.told;
            if (engine.limit === 0 || told !== engine.told) {
              engine.told = told;
              setLimit(engine, place, (told ?? CACHE_TOKENS) * ratio);
            }
            index.insert(blocks, place);
          },
          streamBegan: () => {
            hasBegun = true;
            engine.decode(own);
          },
          tokens: ({ input, cached }) => {
            if (input === 0 || blocks.length === 0) return;
            learnTokens(model, blocks.length / input);
            if (cached !== undefined) learnCache(input, cached);
          },
          ended: (outcome) => {
            if (hasBegun) engine.finish();
            else engine.leave(own);
            // What was never computed is in no cache.
            if (outcome === "done" || hasBegun || engine.place !== place || place === undefined) return;
            index.truncate(blocks, place, expected);
          },
        };
      };

      return {
        engines: list,
        tokens,
        bytesPerToken: ratio,
        blocks,
        bytesOn,
        held: () => heldAt(places, match()),
        cachedOn: (engine) => bytesOn(engine) / ratio,
        planOn: (engine, rule, reason, missing) => {
          const candidate = candidates[list.indexOf(engine)] ?? candidates[0];
          const watcher = bookOn(engine, candidate, missing);
          return { kind: "single", endpoint: candidate.endpoint, rule, reason, watcher };
        },
      };
    },

    keepOnly: (endpointIds) => {
      for (const [id, engine] of engines) {
        if (endpointIds.has(id)) continue;
        forget(engine);
        if (requestsOn(engine) === 0) engines.delete(id);
      }
      known = new WeakMap();
    },
  };
};
