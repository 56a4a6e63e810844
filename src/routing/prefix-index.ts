import type { PromptBlocks } from "./prompt-blocks.ts";

/** Which engines are likely to hold which prefixes in their caches, in a fixed amount of memory. */
export interface PrefixIndex {
  /** A place for an engine; places are numbered from 0 and used again. */
  readonly add: () => number;
  /** Forgets all that an engine holds, and gives its place back. */
  readonly remove: (engine: number) => void;
  /** Bytes of the prompt that each engine holds, by its place; read before the next call of anything. */
  readonly match: (blocks: PromptBlocks) => Int32Array;
  /** The engine computes a prompt, so that it holds all of it from now on. */
  readonly insert: (blocks: PromptBlocks, engine: number) => void;
  /** The engine does not hold what is beyond these bytes of a prompt after all. */
  readonly truncate: (blocks: PromptBlocks, engine: number, bytes: number) => void;
  /** What the cache of an engine holds at most, in bytes; what it used longest ago is taken as evicted beyond that. */
  readonly limit: (engine: number, bytes: number) => void;
  /** Bytes that an engine is taken to hold. */
  readonly heldBy: (engine: number) => number;
  /** Entries in use. */
  readonly size: () => number;
}

/** Words of an entry: two of hash, the next entry of its bucket, engines that hold it, those that used it lately. */
const WORDS = 6;
const HASH_LOW = 0;
const HASH_HIGH = 1;
const NEXT = 2;
const HOLDERS = 3;
const RECENT = 4;
/** Group of engines, and bytes of the block in the low bits. */
const KIND = 5;
const LENGTH_BITS = 12;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

/** Engines that share an entry, a bit each. */
const GROUP = 32;
/** Entries that are looked at for each new block, and once more, while some engine holds more than it can. */
const STEPS_PER_BLOCK = 16;

const NONE = -1;

/** The table begins with so many entries and doubles. */
const FIRST_SIZE = 4096;

const blockBytes = (ends: Int32Array, index: number): number =>
  (ends[index] ?? 0) - (index === 0 ? 0 : (ends[index - 1] ?? 0));

const bucketsFor = (size: number): Int32Array => new Int32Array(2 ** Math.ceil(Math.log2(size))).fill(NONE);

/**
 * One flat table of up to `capacity` entries of 24 bytes, and 4 to find them: an entry stands for a block and up to 32
 * engines, so that a fleet of that size costs no more than one engine. A clock evicts: its hand passes over entries
 * in about the order of their age, first takes their mark of recent use and then the entry. It does so for engines
 * apart, by masks, where those hold more than their limit, and for all of them where the table is full.
 */
export const createPrefixIndex = ({ capacity }: { readonly capacity: number }): PrefixIndex => {
  let size = Math.min(FIRST_SIZE, capacity);
  let table = new Int32Array(size * WORDS);
  let buckets = bucketsFor(size);
  const free: number[] = [];
  let used = 0;
  let hand = 0;

  // By group of engines.
  const live: number[] = [];
  const overfull: number[] = [];
  let groupsOverfull = 0;
  // By engine.
  let matched = new Int32Array(GROUP);
  const held: number[] = [];
  const limits: number[] = [];
  const vacant: number[] = [];
  const retired: number[] = [];

  const word = (entry: number, index: number): number => table[entry * WORDS + index] ?? 0;
  const put = (entry: number, index: number, value: number): void => {
    table[entry * WORDS + index] = value;
  };

  const inGroup = (low: number, group: number): number => low ^ Math.imul(group, 0x9e3779b1);
  const bucketOf = (low: number): number => low & (buckets.length - 1);

  const find = (low: number, high: number): number => {
    let entry = buckets[bucketOf(low)] ?? NONE;
    while (entry !== NONE && (word(entry, HASH_LOW) !== low || word(entry, HASH_HIGH) !== high)) {
      entry = word(entry, NEXT);
    }
    return entry;
  };

  const link = (entry: number): void => {
    const bucket = bucketOf(word(entry, HASH_LOW));
    put(entry, NEXT, buckets[bucket] ?? NONE);
    buckets[bucket] = entry;
  };

  /** Called when every entry is in use. */
  const grow = (): void => {
    size = Math.min(2 * size, capacity);
    const larger = new Int32Array(size * WORDS);
    larger.set(table);
    table = larger;
    buckets = bucketsFor(size);
    for (let entry = 0; entry < used; entry += 1) link(entry);
  };

  const unlink = (entry: number): void => {
    const bucket = bucketOf(word(entry, HASH_LOW));
    const next = word(entry, NEXT);
    let before = buckets[bucket] ?? NONE;
    if (before === entry) buckets[bucket] = next;
    else {
      while (before !== NONE && word(before, NEXT) !== entry) before = word(before, NEXT);
      if (before !== NONE) put(before, NEXT, next);
    }
    put(entry, HOLDERS, 0);
    free.push(entry);
  };

  const setOverfull = (engine: number): void => {
    const group = engine >>> 5;
    const before = overfull[group] ?? 0;
    const bit = 1 << (engine & 31);
    const after = (held[engine] ?? 0) > (limits[engine] ?? Infinity) ? before | bit : before & ~bit;
    overfull[group] = after;
    if (before === 0 && after !== 0) groupsOverfull += 1;
    if (before !== 0 && after === 0) groupsOverfull -= 1;
  };

  const isOverfull = (): boolean => groupsOverfull > 0;

  const hold = (engine: number, bytes: number): void => {
    held[engine] = (held[engine] ?? 0) + bytes;
    setOverfull(engine);
  };

  /** Takes an entry from engines; those that are gone have no account. */
  const release = (entry: number, engines: number): void => {
    const kind = word(entry, KIND);
    const group = kind >>> LENGTH_BITS;
    const rest = word(entry, HOLDERS) & ~engines & (live[group] ?? 0);
    for (let bits = engines & (live[group] ?? 0); bits !== 0; bits &= bits - 1) {
      hold(group * GROUP + 31 - Math.clz32(bits & -bits), -(kind & LENGTH_MASK));
    }
    if (rest === 0) unlink(entry);
    else put(entry, HOLDERS, rest);
  };

  const step = (isFull: boolean): void => {
    const entry = hand;
    hand = hand + 1 < used ? hand + 1 : 0;
    const holders = word(entry, HOLDERS);
    if (holders === 0) return;
    const group = word(entry, KIND) >>> LENGTH_BITS;
    const chosen = isFull ? -1 : (overfull[group] ?? 0) | ~(live[group] ?? 0);
    const recent = word(entry, RECENT);
    if ((holders & chosen) === 0) return;
    put(entry, RECENT, recent & ~chosen);
    const victims = holders & chosen & ~(recent & (live[group] ?? 0));
    if (victims !== 0) release(entry, victims);
  };

  const allocate = (): number => {
    if (free.length === 0 && used === size && size < capacity) grow();
    if (free.length === 0 && used < size) return used++;
    while (free.length === 0) step(true);
    return free.pop() ?? 0;
  };

  const purge = (): void => {
    for (let entry = 0; entry < used; entry += 1) {
      const holders = word(entry, HOLDERS);
      if ((holders & ~(live[word(entry, KIND) >>> LENGTH_BITS] ?? 0)) !== 0) release(entry, 0);
    }
    vacant.push(...retired.splice(0).sort((left, right) => right - left));
  };

  /** Engines of the group that hold the block. */
  const holdersOf = ({ hashes }: PromptBlocks, index: number, group: number): number => {
    const entry = find(inGroup(hashes[2 * index] ?? 0, group), hashes[2 * index + 1] ?? 0);
    return entry === NONE ? 0 : word(entry, HOLDERS);
  };

  const matchGroup = (blocks: PromptBlocks, group: number): void => {
    /** Of engines that hold block `low` and not block `high`, the last block that each holds. */
    const bisect = (low: number, high: number, engines: number): void => {
      if (high - low > 1) {
        const middle = (low + high) >>> 1;
        const right = holdersOf(blocks, middle, group) & engines;
        const left = engines & ~right;
        if (right !== 0) bisect(middle, high, right);
        if (left !== 0) bisect(low, middle, left);
        return;
      }
      const bytes = blocks.ends[low] ?? 0;
      for (let bits = engines; bits !== 0; bits &= bits - 1) {
        matched[group * GROUP + 31 - Math.clz32(bits & -bits)] = bytes;
      }
    };
    const engines = live[group] ?? 0;
    if (engines !== 0) bisect(-1, blocks.count, engines);
  };

  return {
    add: () => {
      const engine = vacant.pop() ?? held.length;
      const group = engine >>> 5;
      live[group] = (live[group] ?? 0) | (1 << (engine & 31));
      overfull[group] ??= 0;
      held[engine] = 0;
      limits[engine] = Infinity;
      if (engine >= matched.length) matched = new Int32Array(matched.length * 2);
      return engine;
    },

    remove: (engine) => {
      const group = engine >>> 5;
      live[group] = (live[group] ?? 0) & ~(1 << (engine & 31));
      held[engine] = 0;
      setOverfull(engine);
      retired.push(engine);
      // A place is free when no entry bears its bit: one pass for many engines.
      if (retired.length >= GROUP) purge();
    },

    match: (blocks) => {
      matched.fill(0);
      for (let group = 0; group < live.length; group += 1) matchGroup(blocks, group);
      return matched;
    },

    insert: ({ count, hashes, ends }, engine) => {
      const group = engine >>> 5;
      const bit = 1 << (engine & 31);
      const missing: number[] = [];
      let bytes = 0;
      for (let index = 0; index < count; index += 1) {
        const entry = find(inGroup(hashes[2 * index] ?? 0, group), hashes[2 * index + 1] ?? 0);
        if (entry !== NONE) put(entry, RECENT, word(entry, RECENT) | bit);
        if (entry !== NONE && (word(entry, HOLDERS) & bit) !== 0) continue;
        missing.push(index);
        bytes += blockBytes(ends, index);
      }
      // Room is made before the new blocks are there, in one round at most: what was just used stays.
      hold(engine, bytes);
      for (
        let left = Math.min(used, (missing.length + 1) * STEPS_PER_BLOCK);
        left > 0 && isOverfull();
        left -= 1
      ) {
        step(false);
      }
      // From the end, so that the hand meets the end before the beginning: engines evict in that order.
      for (let index = missing.pop(); index !== undefined; index = missing.pop()) {
        const low = inGroup(hashes[2 * index] ?? 0, group);
        const high = hashes[2 * index + 1] ?? 0;
        const shared = find(low, high);
        if (shared !== NONE) {
          put(shared, HOLDERS, word(shared, HOLDERS) | bit);
          continue;
        }
        const entry = allocate();
        put(entry, HASH_LOW, low);
        put(entry, HASH_HIGH, high);
        put(entry, HOLDERS, bit);
        put(entry, RECENT, bit);
        put(entry, KIND, (group << LENGTH_BITS) | blockBytes(ends, index));
        link(entry);
      }
    },

    truncate: ({ count, hashes, ends }, engine, bytes) => {
      const group = engine >>> 5;
      const bit = 1 << (engine & 31);
      for (let index = count - 1; index >= 0 && (ends[index] ?? 0) > bytes; index -= 1) {
        const entry = find(inGroup(hashes[2 * index] ?? 0, group), hashes[2 * index + 1] ?? 0);
        if (entry !== NONE && (word(entry, HOLDERS) & bit) !== 0) release(entry, bit);
      }
    },

    limit: (engine, bytes) => {
      limits[engine] = bytes;
      setOverfull(engine);
    },

    heldBy: (engine) => held[engine] ?? 0,
    size: () => used - free.length,
  };
};
