import { expect, test } from "bun:test";
import fc from "fast-check";
import { createBlockPool, type Block, type BlockPool } from "../../src/mock-engine/prefix-cache.ts";

/** Allocates and fills one block for each hash, as a sequence with a cold cache does. */
const fill = (pool: BlockPool, hashes: readonly number[]): Block[] => {
  const blocks: Block[] = [];
  expect(pool.allocate(blocks, [], hashes.length)).toBe(true);
  for (const [index, block] of blocks.entries()) pool.seal(block, hashes[index] ?? 0);
  return blocks;
};

const matched = (pool: BlockPool, hashes: readonly number[]): number =>
  pool.match(hashes, hashes.length).length;

test("finds only a run of blocks that begins with the first", () => {
  const pool = createBlockPool(8);
  fill(pool, [1, 2, 3]);
  expect(matched(pool, [1, 2, 3, 4])).toBe(3);
  expect(matched(pool, [1, 9, 3])).toBe(1);
  expect(matched(pool, [2, 3])).toBe(2);
  expect(matched(pool, [9, 2, 3])).toBe(0);
  expect(pool.match([1, 2, 3], 2)).toHaveLength(2);
});

test("released blocks stay cached until something else needs them, tails first", () => {
  const pool = createBlockPool(3);
  pool.release(fill(pool, [1, 2, 3]));
  expect(pool.freeCount()).toBe(3);
  expect(matched(pool, [1, 2, 3])).toBe(3);
  fill(pool, [7]);
  expect(matched(pool, [1, 2, 3])).toBe(2);
  fill(pool, [8]);
  expect(matched(pool, [1, 2, 3])).toBe(1);
});

test("evicts what was released longest ago, and takes blocks that never held anything before that", () => {
  const pool = createBlockPool(5);
  const old = fill(pool, [1, 2]);
  const recent = fill(pool, [11, 12]);
  pool.release(old);
  pool.release(recent);
  fill(pool, [21]);
  expect([matched(pool, [1, 2]), matched(pool, [11, 12])]).toEqual([2, 2]);
  fill(pool, [22, 23]);
  expect([matched(pool, [1, 2]), matched(pool, [11, 12])]).toEqual([0, 2]);
});

test("a hit takes a block out of the queue of those to be evicted", () => {
  const pool = createBlockPool(3);
  pool.release(fill(pool, [1]));
  pool.release(fill(pool, [2]));
  const reader: Block[] = [];
  expect(pool.allocate(reader, pool.match([1], 1), 0)).toBe(true);
  pool.release(reader);
  fill(pool, [3]);
  fill(pool, [4]);
  expect([matched(pool, [1]), matched(pool, [2])]).toEqual([1, 0]);
});

test("a shared block is free only when its last user has gone", () => {
  const pool = createBlockPool(2);
  const first = fill(pool, [1]);
  const second: Block[] = [];
  pool.allocate(second, pool.match([1], 1), 0);
  pool.release(first);
  expect(pool.freeCount()).toBe(1);
  pool.release(second);
  expect(pool.freeCount()).toBe(2);
});

test("allocates everything or nothing, counting the idle blocks that a hit takes from the free ones", () => {
  const pool = createBlockPool(3);
  pool.release(fill(pool, [1, 2]));
  const blocks: Block[] = [];
  const hits = pool.match([1, 2], 2);
  expect(pool.allocate(blocks, hits, 2)).toBe(false);
  expect([blocks.length, pool.freeCount(), matched(pool, [1, 2])]).toEqual([0, 3, 2]);
  expect(pool.allocate(blocks, hits, 1)).toBe(true);
  expect(pool.freeCount()).toBe(0);
});

test("a second copy of a prefix serves when the first is evicted", () => {
  const pool = createBlockPool(2);
  const first = fill(pool, [1]);
  const second = fill(pool, [1]);
  expect(pool.cachedCount()).toBe(1);
  pool.release(first);
  pool.release(second);
  fill(pool, [2]);
  expect(matched(pool, [1])).toBe(1);
  fill(pool, [3]);
  expect(matched(pool, [1])).toBe(0);
});

test("a reset forgets every prefix, but not while a block is in use", () => {
  const pool = createBlockPool(4);
  const blocks = fill(pool, [1, 2]);
  expect(pool.reset()).toBe(false);
  expect(matched(pool, [1, 2])).toBe(2);
  pool.release(blocks);
  expect(pool.reset()).toBe(true);
  expect([matched(pool, [1, 2]), pool.cachedCount(), pool.freeCount()]).toEqual([0, 0, 4]);
  pool.release(fill(pool, [1, 2, 3, 4]));
  expect(matched(pool, [1, 2, 3, 4])).toBe(4);
});

test("however sequences come and go, no block is lost, used twice or found under another hash", () => {
  // As in a chain of hashes, each stands for all the numbers before it as well.
  const chain = (numbers: readonly number[]): number[] => {
    let hash = 0;
    return numbers.map((number) => (hash = hash * 4 + number));
  };
  const sequence = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 6 }).map(chain);
  fc.assert(
    fc.property(
      fc.array(fc.record({ hashes: sequence, releases: fc.nat(3) }), { maxLength: 40 }),
      (steps) => {
        const capacity = 10;
        const pool = createBlockPool(capacity);
        const live: Block[][] = [];
        for (const { hashes, releases } of steps) {
          const hits = pool.match(hashes, hashes.length);
          for (const [index, block] of hits.entries()) expect(block.hash).toBe(hashes[index]);
          const blocks: Block[] = [];
          if (pool.allocate(blocks, hits, hashes.length - hits.length)) {
            for (const [index, block] of blocks.entries()) pool.seal(block, hashes[index] ?? 0);
            live.push(blocks);
          }
          for (let count = 0; count < releases; count += 1) pool.release(live.shift() ?? []);
          const used = new Set(live.flat());
          expect(pool.freeCount()).toBe(capacity - used.size);
          for (const block of used) {
            expect(block.users).toBe(live.filter((own) => own.includes(block)).length);
          }
        }
        for (const blocks of live) pool.release(blocks);
        expect(pool.freeCount()).toBe(capacity);
        expect(pool.reset()).toBe(true);
      },
    ),
  );
});
