import type { Prompt } from "./policy.ts";

/**
 * A prompt cut into blocks, each known by a hash that is chained from the root on: equal hashes mean prompts that are
 * equal up to the end of the block. What does not fill a block is left out.
 */
export interface PromptBlocks {
  readonly count: number;
  /** Two words of hash for each block. */
  readonly hashes: Int32Array;
  /** Bytes of the prompt up to the end of each block. */
  readonly ends: Int32Array;
  /** Bytes of the whole prompt. */
  readonly length: number;
}

/** Sizes of blocks up to these places: fine where short prompts end, coarse where fine ones would only cost time. */
const SIZES = [
  { until: 1024, size: 64 },
  { until: 64 * 1024, size: 512 },
  { until: 1024 * 1024, size: 2048 },
] as const;

const endsOf = (length: number): Int32Array => {
  const ends: number[] = [];
  let end = 0;
  for (const { until, size } of SIZES) {
    while (end < until && end + size <= length) ends.push((end += size));
    if (end < until) break;
  }
  return Int32Array.from(ends);
};

/** Where the blocks of a prompt of any length end: those of a shorter one are the first of these. */
const allEnds = endsOf(Infinity);

const countUpTo = (length: number): number => {
  let low = 0;
  let high = allEnds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((allEnds[middle] ?? Infinity) <= length) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Chains the hashes of blocks that end at these places, from a seed that stands for the root. */
export const chainBlocks = (
  bytes: Uint8Array,
  ends: Int32Array,
  seed: bigint,
  hash: (block: Uint8Array, seed: bigint) => bigint,
): PromptBlocks => {
  const count = ends.length;
  const chain = new BigUint64Array(count);
  let above = seed;
  let start = 0;
  for (let index = 0; index < count; index += 1) {
    const end = ends[index] ?? start;
    above = hash(bytes.subarray(start, end), above);
    chain[index] = above;
    start = end;
  }
  return { count, hashes: new Int32Array(chain.buffer), ends, length: bytes.length };
};

/** Cuts a prompt into blocks that grow with their place; all in the first MiB. */
export const blocksOf = ({ root, bytes }: Prompt): PromptBlocks => {
  const ends = allEnds.subarray(0, countUpTo(bytes.length));
  return chainBlocks(bytes, ends, Bun.hash.wyhash(root), Bun.hash.wyhash);
};
