import { type AccountsMemory, createPrefixAccounts, type PrefixAccounts } from "./prefix-accounts.ts";

/**
 * What a table is made of; all of it 0 at first. Where `capacity` is more than the table has room for it grows, in
 * memory of its own.
 */
export interface TableMemory extends AccountsMemory {
  readonly capacity: number;
  readonly table: Int32Array;
  readonly buckets: Int32Array;
}

/** Blocks with the engines that hold them, in a fixed amount of memory. An entry is a number from 1. */
export interface PrefixTable extends Pick<PrefixAccounts, "open" | "close" | "limit" | "isLive" | "heldBy"> {
  /** The entry of a block for a group of engines; 0 where there is none. */
  readonly find: (low: number, high: number, group: number) => number;
  /** An engine holds a block that has no entry, of so many bytes. */
  readonly add: (low: number, high: number, engine: number, bytes: number) => void;
  readonly holders: (entry: number) => number;
  /** These engines hold it. */
  readonly give: (entry: number, engines: number) => void;
  /** An engine used it just now; whether it holds it. */
  readonly touch: (entry: number, bit: number) => boolean;
  /** These engines do not hold it any more. */
  readonly release: (entry: number, engines: number) => void;
  /** An engine is to hold so many bytes more: others make way for at most so many blocks. */
  readonly makeRoom: (engine: number, bytes: number, blocks: number) => void;
  /** Forgets what engines held that are closed; until then their places must not be opened again. */
  readonly purge: () => void;
  /** Of a group. */
  readonly live: (group: number) => number;
  readonly groups: () => number;
  /** Entries in use. */
  readonly size: () => number;
  /** Goes on where another thread stopped, and lets another one go on. */
  readonly load: (numbers: Int32Array) => void;
  readonly save: (numbers: Int32Array) => void;
}

/** Words of an entry: two of hash, the next entry of its bucket, engines that hold it, those that used it lately. */
export const WORDS = 6;
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
export const GROUP = 32;
/** Entries that are looked at for each new block, and once more, while some engine holds more than it can. */
const STEPS_PER_BLOCK = 16;

/** Numbers of a table that are written down while another thread uses it. */
export const TABLE_NUMBERS = 6;

/** The engine of the lowest bit. */
export const firstOf = (group: number, engines: number): number =>
  group * GROUP + 31 - Math.clz32(engines & -engines);

/** How many buckets are best for so many entries. */
export const bucketsFor = (size: number): number => 2 ** Math.ceil(Math.log2(size));

/**
 * One flat table: a clock evicts. Its hand passes over entries in about the order of their age, first takes their mark
 * of recent use and then the entry. It does so for engines apart, by masks, where those hold more than their limit,
 * and for all of them where the table is full.
 */
export const createPrefixTable = (memory: TableMemory): PrefixTable => {
  const { capacity, live, overfull } = memory;
  const accounts = createPrefixAccounts(memory);
  const { open, close, hold, limit, isLive, heldBy, isOverfull } = accounts;
  let { table, buckets } = memory;
  let size = table.length / WORDS - 1;
  let used = 0;
  let hand = 0;
  let free = 0;
  let freeCount = 0;

  const word = (entry: number, index: number): number => table[entry * WORDS + index] ?? 0;
  const put = (entry: number, index: number, value: number): void => {
    table[entry * WORDS + index] = value;
  };

  const inGroup = (low: number, group: number): number => low ^ Math.imul(group, 0x9e3779b1);
  const bucketOf = (low: number): number => low & (buckets.length - 1);

  const link = (entry: number): void => {
    const bucket = bucketOf(word(entry, HASH_LOW));
    put(entry, NEXT, buckets[bucket] ?? 0);
    buckets[bucket] = entry;
  };

  /** Called when every entry is in use. */
  const grow = (): void => {
    size = Math.min(2 * size, capacity);
    const larger = new Int32Array((size + 1) * WORDS);
    larger.set(table);
    table = larger;
    buckets = new Int32Array(bucketsFor(size));
    for (let entry = 1; entry <= used; entry += 1) link(entry);
  };

  const unlink = (entry: number): void => {
    const bucket = bucketOf(word(entry, HASH_LOW));
    const next = word(entry, NEXT);
    let before = buckets[bucket] ?? 0;
    if (before === entry) buckets[bucket] = next;
    else {
      while (before !== 0 && word(before, NEXT) !== entry) before = word(before, NEXT);
      if (before !== 0) put(before, NEXT, next);
    }
    put(entry, HOLDERS, 0);
    put(entry, NEXT, free);
    free = entry;
    freeCount += 1;
  };

  /** Those that are gone have no account. */
  const release = (entry: number, engines: number): void => {
    const kind = word(entry, KIND);
    const group = kind >>> LENGTH_BITS;
    const rest = word(entry, HOLDERS) & ~engines & (live[group] ?? 0);
    for (let bits = engines & (live[group] ?? 0); bits !== 0; bits &= bits - 1) {
      hold(firstOf(group, bits), -(kind & LENGTH_MASK));
    }
    if (rest === 0) unlink(entry);
    else put(entry, HOLDERS, rest);
  };

  const step = (isFull: boolean): void => {
    const entry = hand + 1;
    hand = entry < used ? entry : 0;
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

  const isFull = (): boolean => free === 0;

  const allocate = (): number => {
    if (free === 0 && used === size && size < capacity) grow();
    if (free === 0 && used < size) {
      used += 1;
      return used;
    }
    while (isFull()) step(true);
    const entry = free;
    free = word(entry, NEXT);
    freeCount -= 1;
    return entry;
  };

  return {
    find: (low, high, group) => {
      const hash = inGroup(low, group);
      let entry = buckets[bucketOf(hash)] ?? 0;
      while (entry !== 0 && (word(entry, HASH_LOW) !== hash || word(entry, HASH_HIGH) !== high)) {
        entry = word(entry, NEXT);
      }
      return entry;
    },
    add: (low, high, engine, bytes) => {
      const group = engine >>> 5;
      const bit = 1 << (engine & 31);
      const entry = allocate();
      put(entry, HASH_LOW, inGroup(low, group));
      put(entry, HASH_HIGH, high);
      put(entry, HOLDERS, bit);
      put(entry, RECENT, bit);
      put(entry, KIND, (group << LENGTH_BITS) | bytes);
      link(entry);
    },
    holders: (entry) => word(entry, HOLDERS),
    give: (entry, engines) => put(entry, HOLDERS, word(entry, HOLDERS) | engines),
    touch: (entry, bit) => {
      put(entry, RECENT, word(entry, RECENT) | bit);
      return (word(entry, HOLDERS) & bit) !== 0;
    },
    release,
    makeRoom: (engine, bytes, blocks) => {
      hold(engine, bytes);
      let left = Math.min(used, (blocks + 1) * STEPS_PER_BLOCK);
      for (; left > 0 && isOverfull(); left -= 1) step(false);
    },
    open,
    close,
    limit,
    isLive,
    heldBy,
    purge: () => {
      for (let entry = 1; entry <= used; entry += 1) {
        if ((word(entry, HOLDERS) & ~(live[word(entry, KIND) >>> LENGTH_BITS] ?? 0)) !== 0) release(entry, 0);
      }
    },
    live: (group) => live[group] ?? 0,
    groups: () => accounts.groups,
    size: () => used - freeCount,
    load: (numbers) => {
      used = numbers[0] ?? 0;
      hand = numbers[1] ?? 0;
      free = numbers[2] ?? 0;
      freeCount = numbers[3] ?? 0;
      accounts.groupsOverfull = numbers[4] ?? 0;
      accounts.groups = numbers[5] ?? 0;
    },
    save: (numbers) => {
      numbers[0] = used;
      numbers[1] = hand;
      numbers[2] = free;
      numbers[3] = freeCount;
      numbers[4] = accounts.groupsOverfull;
      numbers[5] = accounts.groups;
    },
  };
};
