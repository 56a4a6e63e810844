/** A stretch of text: those of one id say the same, as far as both go. */
export interface Span {
  readonly id: number;
  readonly tokens: number;
}

/** Tokens of a text. */
export const tokensOf = (spans: readonly Span[]): number => {
  let tokens = 0;
  for (const span of spans) tokens += span.tokens;
  return tokens;
};

/** A chained hash as two 32-bit halves. */
interface Chain {
  high: number;
  low: number;
}

const startOf = (salt: number): Chain => ({ high: 0x9e3779b9 ^ salt, low: 0x85ebca6b });

const mix = (chain: Chain, word: number): void => {
  let { high, low } = chain;
  high = Math.imul(high ^ word, 0x01000193);
  high ^= high >>> 15;
  low = Math.imul(low + word, 0xcc9e2d51) ^ high;
  low ^= low >>> 13;
  chain.high = high;
  chain.low = low;
};

const scatter = (word: number): number => {
  const mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
};

/** 52 bits, so that each is an exact number. */
const valueOf = ({ high, low }: Chain): number => scatter(high) * 2 ** 20 + (scatter(low) >>> 12);

/** One chained hash for each full block of a text; equal prefixes have equal hashes, wherever their spans end. */
export const blockHashesOf = (spans: readonly Span[], blockSize: number): Float64Array => {
  const hashes = new Float64Array(Math.floor(tokensOf(spans) / blockSize));
  const chain = startOf(0);
  let blocks = 0;
  let room = blockSize;
  for (const { id, tokens } of spans) {
    const high = (id / 2 ** 32) | 0;
    for (let offset = 0; offset < tokens;) {
      const taken = Math.min(room, tokens - offset);
      mix(chain, id | 0);
      mix(chain, high ^ (offset << 8));
      mix(chain, taken);
      offset += taken;
      room -= taken;
      if (room > 0) continue;
      hashes[blocks] = valueOf(chain);
      blocks += 1;
      room = blockSize;
    }
  }
  return hashes;
};

/** What a cache without limits, shared by all engines, would know. */
export interface PerfectCache {
  /** Remembers a text that was computed. */
  readonly learn: (spans: readonly Span[]) => void;
  /** How many tokens from the text's start were learnt before, in whole spans. */
  readonly match: (spans: readonly Span[]) => number;
}

/** An empty one; it keeps one number for each span that is new. */
export const createPerfectCache = (): PerfectCache => {
  const known = new Set<number>();
  const extend = (chain: Chain, { id, tokens }: Span): number => {
    mix(chain, id | 0);
    mix(chain, (id / 2 ** 32) | 0);
    mix(chain, tokens);
    return valueOf(chain);
  };
  return {
    learn: (spans) => {
      const chain = startOf(0);
      for (const span of spans) known.add(extend(chain, span));
    },
    match: (spans) => {
      const chain = startOf(0);
      let tokens = 0;
      for (const span of spans) {
        if (!known.has(extend(chain, span))) break;
        tokens += span.tokens;
      }
      return tokens;
    },
  };
};

/** Bytes that stand for a token: what a token of English takes. */
const BYTES_PER_TOKEN = 4;

/** Lower-case letters that stand for a text: equal prefixes give equal letters, four for each token. */
export const bytesOf = (spans: readonly Span[]): Uint8Array => {
  const words = new Uint32Array(tokensOf(spans));
  let at = 0;
  for (const { id, tokens } of spans) {
    let state = scatter((id | 0) ^ Math.imul((id / 2 ** 32) | 0, 0x9e3779b9));
    for (const end = at + tokens; at < end; at += 1) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
      // Each byte one of sixteen letters from "a" on.
      words[at] = 0x61616161 + ((state ^ (state >>> 16)) & 0x0f0f0f0f);
    }
  }
  return new Uint8Array(words.buffer, 0, words.length * BYTES_PER_TOKEN);
};
