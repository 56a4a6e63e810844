import type { Block, BlockPool } from "./prefix-cache.ts";
import type { Sequence } from "./sequence.ts";

/** Creates the bookkeeping of the blocks that sequences take from a pool, each of `blockSize` tokens. */
export const createSequenceBlocks = (pool: BlockPool, blockSize: number) => {
  const sealFullBlocks = (sequence: Sequence): void => {
    const full = Math.floor(sequence.computed / blockSize);
    for (; sequence.sealed < full; sequence.sealed += 1) {
      const block = sequence.blocks[sequence.sealed];
      const hash = sequence.blockHashes[sequence.sealed];
      if (block && hash !== undefined) pool.seal(block, hash);
    }
  };

  /** Gives back all that a sequence has. */
  const drop = (sequence: Sequence): void => {
    pool.release(sequence.blocks);
    sequence.computed = 0;
    sequence.sealed = 0;
  };

  /** Books `tokens` more tokens for a sequence; false when the cache is full. */
  const extend = (sequence: Sequence, tokens: number, matched: readonly Block[]): boolean => {
    const start = sequence.computed + matched.length * blockSize;
    const needed = Math.ceil((start + tokens) / blockSize) - sequence.blocks.length - matched.length;
    if (!pool.allocate(sequence.blocks, matched, needed)) return false;
    sequence.sealed += matched.length;
    sequence.computed = start + tokens;
    sealFullBlocks(sequence);
    return true;
  };

  /** Adds as many tokens to each sequence of the batch; blocks are taken and filled in the order of single steps. */
  const decodeMore = (batch: readonly Sequence[], tokens: number): void => {
    const turns: { readonly step: number; readonly sequence: Sequence; readonly computed: number }[] = [];
    for (const sequence of batch) {
      const { computed: start } = sequence;
      const addTurn = (step: number): void => {
        if (step <= tokens) turns.push({ step, sequence, computed: start + step });
      };
      const full = blockSize - (start % blockSize);
      if (full === blockSize) addTurn(1);
      for (let step = full; step <= tokens; step += blockSize) {
        addTurn(step);
        addTurn(step + 1);
      }
    }
    turns.sort((one, other) => one.step - other.step);
    for (const { sequence, computed } of turns) extend(sequence, computed - sequence.computed, []);
    for (const sequence of batch) {
      sequence.emitted += tokens;
      extend(sequence, sequence.promptTokens + sequence.emitted - sequence.computed, []);
    }
  };

  return { extend, drop, decodeMore };
};
