import { bucketsFor, createPrefixTable, firstOf, GROUP, type PrefixTable, WORDS } from "./prefix-table.ts";
import type { PromptBlocks } from "./prompt-blocks.ts";

/** What prompts say of engines at places. */
export interface PrefixMatch {
  /** Bytes of the prompt that each engine holds, by its place; read before the next call of anything. */
  readonly match: (blocks: PromptBlocks) => Int32Array;
  /** The same of one engine, at a cost that does not depend on how many there are. */
  readonly matchOn: (blocks: PromptBlocks, engine: number) => number;
  /** The engine computes a prompt, so that it holds all of it from now on. */
  readonly insert: (blocks: PromptBlocks, engine: number) => void;
  /** The engine does not hold what is beyond these bytes of a prompt after all. */
  readonly truncate: (blocks: PromptBlocks, engine: number, bytes: number) => void;
}

/** Which engines are likely to hold which prefixes in their caches, in a fixed amount of memory. */
export interface PrefixIndex<Place = number> extends PrefixMatch {
  /** A place for an engine; places are numbered from 0 and used again. Where others share them it is that of its slot. */
  readonly add: (slot?: number) => Place;
  /** Forgets all that an engine holds, and gives its place back. */
  readonly remove: (engine: number) => void;
  /** What the cache of an engine holds at most, in bytes; what it used longest ago is taken as evicted beyond that. */
  readonly limit: (engine: number, bytes: number) => void;
  /** Bytes that an engine is taken to hold. */
  readonly heldBy: (engine: number) => number;
  /** Entries in use. */
  readonly size: () => number;
}

/** Blocks that a router remembers, of all engines: 28 MiB when all are in use. */
export const INDEX_CAPACITY = 1024 * 1024;

/** The table begins with so many entries and doubles. */
const FIRST_SIZE = 4096;

const blockBytes = (ends: Int32Array, index: number): number =>
  (ends[index] ?? 0) - (index === 0 ? 0 : (ends[index - 1] ?? 0));

/** Prompts in a table: an entry for each block, and up to 32 engines. */
export const matchIn = (table: PrefixTable): PrefixMatch => {
  const { find, holders, touch, give, add, release } = table;
  let matched = new Int32Array(GROUP);

  const entryOf = ({ hashes }: PromptBlocks, index: number, group: number): number =>
    find(hashes[2 * index] ?? 0, hashes[2 * index + 1] ?? 0, group);

  /** Those of some engines of a group that hold a block. */
  const holding = (blocks: PromptBlocks, index: number, group: number, engines: number): number => {
    const entry = engines === 0 ? 0 : entryOf(blocks, index, group);
    return entry === 0 ? 0 : holders(entry) & engines;
  };

  const matchGroup = (blocks: PromptBlocks, group: number): void => {
    /** Of engines that hold block `low` and not block `high`, the last block that each holds. */
    const bisect = (low: number, high: number, engines: number): void => {
      if (high - low > 1) {
        const middle = (low + high) >>> 1;
        const right = holding(blocks, middle, group, engines);
        const left = engines & ~right;
        if (right !== 0) bisect(middle, high, right);
        if (left !== 0) bisect(low, middle, left);
        return;
      }
      const bytes = blocks.ends[low] ?? 0;
      for (let bits = engines; bits !== 0; bits &= bits - 1) matched[firstOf(group, bits)] = bytes;
    };
    // Most groups of a large fleet hold no part of it, and that is told by its first block.
    const engines = holding(blocks, 0, group, table.live(group));
    if (engines !== 0) bisect(0, blocks.count, engines);
  };

  return {
    match: (blocks) => {
      const groups = table.groups();
      if (groups * GROUP > matched.length) matched = new Int32Array(2 * groups * GROUP);
      else matched.fill(0);
      for (let group = 0; blocks.count > 0 && group < groups; group += 1) matchGroup(blocks, group);
      return matched;
    },

    matchOn: (blocks, engine) => {
      const group = engine >>> 5;
      const engines = table.live(group) & (1 << (engine & 31));
      let low = -1;
      let high = blocks.count;
      // The first block first: without it the engine holds nothing.
      for (let index = 0; high - low > 1; index = (low + high) >>> 1) {
        if (holding(blocks, index, group, engines) !== 0) low = index;
        else high = index;
      }
      return blocks.ends[low] ?? 0;
    },

    insert: (blocks, engine) => {
      const { count, hashes, ends } = blocks;
      const group = engine >>> 5;
      const bit = 1 << (engine & 31);
      const missing: number[] = [];
      let bytes = 0;
      for (let index = 0; index < count; index += 1) {
        const entry = entryOf(blocks, index, group);
        if (entry !== 0 && touch(entry, bit)) continue;
        missing.push(index);
        bytes += blockBytes(ends, index);
      }
      // Room is made before the new blocks are there, in one round at most: what was just used stays.
      table.makeRoom(engine, bytes, missing.length);
      // From the end, so that the hand meets the end before the beginning: engines evict in that order.
      for (let index = missing.pop(); index !== undefined; index = missing.pop()) {
        const shared = entryOf(blocks, index, group);
        if (shared !== 0) give(shared, bit);
        else add(hashes[2 * index] ?? 0, hashes[2 * index + 1] ?? 0, engine, blockBytes(ends, index));
      }
    },

    truncate: (blocks, engine, bytes) => {
      const group = engine >>> 5;
      const bit = 1 << (engine & 31);
      for (let index = blocks.count - 1; index >= 0 && (blocks.ends[index] ?? 0) > bytes; index -= 1) {
        const entry = entryOf(blocks, index, group);
        if (entry !== 0 && (holders(entry) & bit) !== 0) release(entry, bit);
      }
    },
  };
};

/**
 * One flat table of up to `capacity` entries of 24 bytes, and 4 to find them: an entry stands for a block and up to 32
 * engines, so that a fleet of that size costs no more than one engine.
 */
export const createPrefixIndex = ({ capacity }: { readonly capacity: number }): PrefixIndex => {
  const size = Math.min(FIRST_SIZE, capacity);
  const table = createPrefixTable({
    capacity,
    table: new Int32Array((size + 1) * WORDS),
    buckets: new Int32Array(bucketsFor(size)),
    live: [],
    overfull: [],
    held: [],
    limits: [],
  });
  const vacant: number[] = [];
  const retired: number[] = [];
  let places = 0;

  return {
    ...matchIn(table),
    add: () => {
      const engine = vacant.pop() ?? places;
      if (engine === places) places += 1;
      table.open(engine);
      return engine;
    },
    remove: (engine) => {
      table.close(engine);
      retired.push(engine);
      if (retired.length < GROUP) return;
      // A place is free when no entry bears its bit: one pass for many engines.
      table.purge();
      vacant.push(...retired.splice(0).sort((left, right) => right - left));
    },
    limit: table.limit,
    heldBy: table.heldBy,
    size: table.size,
  };
};
