import { isAscii } from "node:buffer";
import { integer } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { describeLoad, requestsOn } from "./engine-load.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, Prompt, RoutingPolicy, SinglePlan } from "./policy.ts";
import { chainBlocks, type PromptBlocks } from "./prompt-blocks.ts";

const options = {
  prefixMinMatchLength: {
    group: "Routing",
    argument: "<characters>",
    schema: integer,
    default: "0",
    help: "Shortest common prefix that counts (prefixaware routing).",
  },
} as const satisfies OptionTable;

/** Characters of a chunk, as in the reference; the last one may be shorter and counts as much. */
const CHUNK = 128;
/** So many chunks are of that size; behind them, where fine ones would only cost time, they are larger. */
const FINE_CHUNKS = 128;
const LARGE_CHUNK = 512;
/** A prompt is told apart by so many chunks; what two share beyond that is not looked for. */
const MAX_CHUNKS = 2048;
/** Requests that the engine of a prefix may have beyond twice those of the idlest one, before load decides. */
const MAX_EXCESS = 16;

/** Characters of so many whole chunks. */
const charactersOf = (chunks: number): number =>
  Math.min(chunks, FINE_CHUNKS) * CHUNK + Math.max(0, chunks - FINE_CHUNKS) * LARGE_CHUNK;

const FINE = charactersOf(FINE_CHUNKS);

/** Chunks of so many characters. */
const chunksFor = (characters: number): number =>
  Math.ceil(Math.min(characters, FINE) / CHUNK) + Math.ceil(Math.max(0, characters - FINE) / LARGE_CHUNK);

/** Where each chunk of so many code points of UTF-8 ends. */
const chunkEnds = (bytes: Uint8Array): Int32Array => {
  if (isAscii(bytes)) {
    return Int32Array.from({ length: Math.min(MAX_CHUNKS, chunksFor(bytes.length)) }, (_, index) =>
      Math.min(charactersOf(index + 1), bytes.length),
    );
  }
  const ends: number[] = [];
  let room = CHUNK;
  for (let at = 0; at < bytes.length && ends.length < MAX_CHUNKS; at += 1) {
    const isContinuation = ((bytes[at] ?? 0) & 0xc0) === 0x80;
    if (isContinuation) continue;
    if (room === 0) {
      ends.push(at);
      room = ends.length < FINE_CHUNKS ? CHUNK : LARGE_CHUNK;
    }
    room -= 1;
  }
  if (ends.length < MAX_CHUNKS) ends.push(bytes.length);
  return Int32Array.from(ends);
};

/** Cuts a prompt as the reference does, up to 16,384 characters: xxHash64 of 128 of them, of the first chunk of a root without a name seed 0. */
export const chunksOf = ({ root, bytes }: Prompt): PromptBlocks =>
  chainBlocks(bytes, chunkEnds(bytes), root === "" ? 0n : Bun.hash.xxHash64(root), Bun.hash.xxHash64);

const createPrefixAware = (
  { prefixMinMatchLength }: OptionValues<typeof options>,
  { random, book: shared }: PolicyDeps,
): RoutingPolicy => {
  const book = createEngineBook(() => ({}), { cut: chunksOf, book: shared });
  const choose = ({ engines, blocks, held, planOn }: Sight<Account>, draw: () => number): SinglePlan => {
    const idlest = leastOf(engines, requestsOn, draw);
    const { bytes, most: longest } = held();
    const length = charactersOf(blocks.ends.indexOf(longest) + 1);
    if (longest === 0 || length < prefixMinMatchLength) {
      return planOn(idlest, "cold", `no known prefix: ${describeLoad(idlest)}`);
    }
    const engine = leastOf(
      engines,
      (each, index) => (bytes[index] === longest ? requestsOn(each) : Infinity),
      draw,
    );
    return requestsOn(engine) > 2 * requestsOn(idlest) + MAX_EXCESS
      ? planOn(
          idlest,
          "spread",
          `least load, the engine of the prefix has much more: ${describeLoad(idlest)}`,
        )
      : planOn(engine, "prefix", `prefix of ${length} characters: ${describeLoad(engine)}`);
  };

  return {
    plan: (request, candidates) => choose(book.look(request, candidates), random),
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      return { plan: choose(sight, first), unit: "requests", ...standingsOf(sight, requestsOn) };
    },
    keepOnly: book.keepOnly,
  };
};

/** The engine that had the longest prefix of the prompt before; without one, or if it has far more to do, the idlest. */
export const prefixAware = {
  name: "prefixaware",
  summary: "the engine that had the longest prefix of the prompt before",
  options,
  problems: () => [],
  create: createPrefixAware,
} as const satisfies PolicyModule<"prefixaware", typeof options>;
