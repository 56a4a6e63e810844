import type { PromptBlocks } from "./prompt-blocks.ts";

/** What is known of conversations: requests whose prompt goes on from the whole of an earlier one. */
export interface Conversations {
  /** A request is sent with these blocks, of which the engines know so many bytes, and takes so long to compute. */
  readonly came: (blocks: PromptBlocks, knownBytes: number, ms: number) => void;
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
  let followedMs = 0;
  let opened = 0;

  const goesOn = (blocks: PromptBlocks, knownBytes: number): boolean => {
    const known = blockAt(blocks, knownBytes);
    if (knownBytes === 0 || known + 1 >= blocks.count) return false;
    const place = (blocks.hashes[2 * known] ?? 0) & (ENDS - 1);
    if (lasts[place] !== blocks.hashes[2 * known + 1]) return false;
    lasts[place] = 0;
    return true;
  };

  return {
    came: (blocks, knownBytes, ms) => {
      if (opened === 0) {
        opened = 1;
        followedMs = FIRST_GUESS * ms;
      }
      followedMs *= MEMORY;
      opened *= MEMORY;
      if (goesOn(blocks, knownBytes)) followedMs += ms;
      else opened += 1;
      const end = 2 * blocks.count;
      if (end > 0) lasts[(blocks.hashes[end - 2] ?? 0) & (ENDS - 1)] = blocks.hashes[end - 1] ?? 0;
    },
    followingMs: () => (opened === 0 ? 0 : followedMs / opened),
  };
};
