import type { PromptBlocks } from "./prompt-blocks.ts";

/** What is known of conversations: requests whose prompt goes on from the whole of an earlier one. */
export interface Conversations {
  /** A request is sent with these blocks, of which the engines know so many bytes, and takes so long to compute. */
  readonly came: (blocks: PromptBlocks, knownBytes: number, ms: number) => void;
  /** The answer to a request with these blocks has so many tokens: its engine holds them, too. */
  readonly answered: (blocks: PromptBlocks, tokens: number) => void;
  /** Tokens of the answer that a request with these blocks goes on from; 0 for one that goes on from none. */
  readonly answerBefore: (blocks: PromptBlocks, knownBytes: number) => number;
  /** Milliseconds to compute of all that will follow a request, in the mean. */
  readonly followingMs: () => number;
}

/** Prompts whose end is remembered. */
const ENDS = 64 * 1024;
/** Requests that are presumed to follow one, before any is known to. */
const FIRST_GUESS = 3;
/** What a request weighs when the next one comes. */
const MEMORY = 0.999;

/** The block that ends at so many bytes; the number of blocks where none does. */
const blockAt = ({ count, ends }: PromptBlocks, bytes: number): number => {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? Infinity) < bytes) low = middle + 1;
    else high = middle;
  }
  return low;
};

/**
 * No conversations at first. A prompt goes on from another one if it is longer and what is known of it ends where the
 * other ended. Only one goes on from each: many prompts that begin alike are no conversation.
 */
export const createConversations = (): Conversations => {
  const lasts = new Int32Array(ENDS);
  const answers = new Int32Array(ENDS);
  let followedMs = 0;
  let opened = 0;

  /** Where the prompt is remembered that a request goes on from. */
  const before = (blocks: PromptBlocks, knownBytes: number): number | undefined => {
    const known = blockAt(blocks, knownBytes);
    if (knownBytes === 0 || known + 1 >= blocks.count) return undefined;
    const place = (blocks.hashes[2 * known] ?? 0) & (ENDS - 1);
    return lasts[place] === blocks.hashes[2 * known + 1] ? place : undefined;
  };

  return {
    came: (blocks, knownBytes, ms) => {
      if (opened === 0) {
        opened = 1;
        followedMs = FIRST_GUESS * ms;
      }
      followedMs *= MEMORY;
      opened *= MEMORY;
      const place = before(blocks, knownBytes);
      if (place === undefined) opened += 1;
      else {
        lasts[place] = 0;
        followedMs += ms;
      }
      const end = 2 * blocks.count;
      if (end === 0) return;
      const own = (blocks.hashes[end - 2] ?? 0) & (ENDS - 1);
      lasts[own] = blocks.hashes[end - 1] ?? 0;
      answers[own] = 0;
    },
    answered: (blocks, tokens) => {
      const end = 2 * blocks.count;
      const own = (blocks.hashes[end - 2] ?? 0) & (ENDS - 1);
      if (end > 0 && lasts[own] === blocks.hashes[end - 1]) answers[own] = tokens;
    },
    answerBefore: (blocks, knownBytes) => answers[before(blocks, knownBytes) ?? ENDS] ?? 0,
    followingMs: () => (opened === 0 ? 0 : followedMs / opened),
  };
};
