import { breakLock, joinLock } from "../core/lock.ts";
import { matchIn, type PrefixIndex } from "./prefix-index.ts";
import { bucketsFor, createPrefixTable, GROUP, TABLE_NUMBERS, WORDS } from "./prefix-table.ts";

/** A prefix index of several threads. Plain data, to be sent to a thread. */
export interface IndexMemory {
  /** The lock, then numbers of the table. */
  readonly numbers: Int32Array;
  readonly table: Int32Array;
  readonly buckets: Int32Array;
  readonly live: Int32Array;
  readonly overfull: Int32Array;
  /** Engines whose entries are to be purged before their slots are used again; a bit each. */
  readonly stale: Int32Array;
  readonly held: Float64Array;
  readonly limits: Float64Array;
}

const LOCK = 0;

const integers = (count: number): Int32Array =>
  new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
const numbers = (count: number): Float64Array =>
  new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));

/** Room for so many entries and engines; only what is written takes up memory. */
export const allocateIndex = (slots: number, capacity: number): IndexMemory => ({
  numbers: integers(1 + TABLE_NUMBERS),
  table: integers((capacity + 1) * WORDS),
  buckets: integers(bucketsFor(capacity)),
  live: integers(Math.ceil(slots / GROUP)),
  overfull: integers(Math.ceil(slots / GROUP)),
  stale: integers(Math.ceil(slots / GROUP)),
  held: numbers(slots),
  limits: numbers(slots),
});

/**
 * The same index in several threads: the place of an engine is its slot, and one thread at a time looks or writes. An
 * engine that one of them takes for gone holds nothing until one of them adds it again.
 */
export const joinIndex = (memory: IndexMemory, row: number): PrefixIndex<number | undefined> => {
  const { stale, limits } = memory;
  const exclusively = joinLock(memory.numbers, LOCK, row);
  const written = memory.numbers.subarray(LOCK + 1);
  const table = createPrefixTable({ ...memory, capacity: memory.table.length / WORDS - 1 });
  const { match, matchOn, insert, truncate } = matchIn(table);
  const within = <Result>(task: () => Result): Result =>
    exclusively(() => {
      table.load(written);
      const result = task();
      table.save(written);
      return result;
    });

  const open = (slot: number): void => {
    const group = slot >>> 5;
    if (((stale[group] ?? 0) & (1 << (slot & 31))) !== 0) {
      table.purge();
      stale.fill(0);
    }
    const limit = limits[slot] ?? 0;
    table.open(slot);
    if (limit > 0) table.limit(slot, limit);
  };

  const close = (slot: number): void => {
    table.close(slot);
    stale[slot >>> 5] = (stale[slot >>> 5] ?? 0) | (1 << (slot & 31));
  };

  return {
    add: (slot) => {
      if (slot !== undefined && !table.isLive(slot)) within(() => open(slot));
      return slot;
    },
    remove: (slot) => {
      if (table.isLive(slot)) within(() => close(slot));
    },
    match: (blocks) => within(() => match(blocks)),
    matchOn: (blocks, slot) => within(() => matchOn(blocks, slot)),
    insert: (blocks, slot) =>
      within(() => {
        if (table.isLive(slot)) insert(blocks, slot);
      }),
    truncate: (blocks, slot, bytes) => within(() => truncate(blocks, slot, bytes)),
    limit: (slot, bytes) => within(() => table.limit(slot, bytes)),
    heldBy: table.heldBy,
    size: () => within(table.size),
  };
};

/** Goes on without a thread that is gone; what it was writing when it died may be half written, so all is forgotten. */
export const buryIndex = (
  { numbers: all, buckets, held, overfull, stale }: IndexMemory,
  row: number,
): void => {
  if (Atomics.load(all, LOCK) !== row + 1) return;
  for (const part of [buckets, held, overfull, stale]) part.fill(0);
  // But for how many groups there are, which the table has last.
  all.fill(0, LOCK + 1, LOCK + TABLE_NUMBERS);
  breakLock(all, LOCK, row);
};

/** Makes a slot ready for another engine. */
export const clearIndex = (memory: IndexMemory, slot: number): void => {
  joinIndex(memory, 0).remove(slot);
  memory.limits[slot] = 0;
};
