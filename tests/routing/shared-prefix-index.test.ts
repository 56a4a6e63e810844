import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPrefixIndex, type PrefixIndex } from "../../src/routing/prefix-index.ts";
import { blocksOf, type PromptBlocks } from "../../src/routing/prompt-blocks.ts";
import { allocateIndex, buryIndex, clearIndex, joinIndex } from "../../src/routing/shared-prefix-index.ts";
import { inThreads } from "../support/threads.ts";
import { type IndexWork, LONGEST, ROOTS } from "./index-thread.ts";

const THREADS = 3;

/** A prompt of blocks of 64 bytes, one for each letter. */
const prompt = (letters: string): PromptBlocks =>
  blocksOf({ root: "m", bytes: Buffer.from(letters.replaceAll(/./gu, (letter) => letter.repeat(64))) });

const start = (capacity = 5000, slots = 70) => {
  const memory = allocateIndex(slots, capacity);
  const threads = Array.from({ length: THREADS }, (_, row) => joinIndex(memory, row));
  const at = (row: number): PrefixIndex<number | undefined> => threads[row] ?? joinIndex(memory, row);
  /** Blocks that an engine holds of a prompt, as each thread sees it. */
  const held = (letters: string, slot: number): readonly number[] =>
    threads.map((thread) => (thread.match(prompt(letters))[slot] ?? 0) / 64);
  return { memory, threads, at, held };
};

describe("an index that several threads share", () => {
  test("tells each of them what one index would that was told all", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 12 });
    const event = fc.record({
      kind: fc.constantFrom("insert", "insert", "insert", "truncate", "limit"),
      engine: fc.nat(69),
      row: fc.nat(THREADS - 1),
      letters,
      blocks: fc.nat(8),
    });
    const capacities = fc.constantFrom(20, 200, 4000);
    fc.assert(
      fc.property(capacities, fc.array(event, { maxLength: 300 }), (capacity, events) => {
        const { threads, at } = start(capacity);
        const alone = createPrefixIndex({ capacity });
        for (let slot = 0; slot < 70; slot += 1) {
          expect([alone.add(), at(slot % THREADS).add(slot)]).toEqual([slot, slot]);
        }
        for (const { kind, engine, row, letters: text, blocks } of events) {
          for (const index of [at(row), alone]) {
            if (kind === "insert") index.insert(prompt(text), engine);
            else if (kind === "truncate") index.truncate(prompt(text), engine, blocks * 64);
            else index.limit(engine, blocks * 64);
          }
          const expected = [...alone.match(prompt(text))].slice(0, 70);
          for (const thread of threads) {
            expect([...thread.match(prompt(text))].slice(0, 70)).toEqual(expected);
            expect([thread.heldBy(engine), thread.size()]).toEqual([alone.heldBy(engine), alone.size()]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("forgets an engine that one of them takes for gone, until one of them adds it again", () => {
    const { at, held } = start();
    for (const row of [0, 1, 2]) expect(at(row).add(33)).toBe(33);
    at(1).insert(prompt("abc"), 33);
    expect(held("abc", 33)).toEqual([3, 3, 3]);
    at(2).remove(33);
    expect(held("abc", 33)).toEqual([0, 0, 0]);
    // Another one sends it a request that it had planned before it knew.
    at(1).insert(prompt("abc"), 33);
    at(0).add(33);
    expect([held("abc", 33), at(0).heldBy(33)]).toEqual([[0, 0, 0], 0]);
    at(1).insert(prompt("ab"), 33);
    expect(held("abc", 33)).toEqual([2, 2, 2]);
  });

  test("keeps the limit of an engine that comes back, and none for another one in its slot", () => {
    const { memory, at } = start();
    at(0).add(1);
    at(0).limit(1, 128);
    at(0).remove(1);
    at(1).add(1);
    at(1).insert(prompt("abcdefgh"), 1);
    for (let round = 0; round < 50; round += 1) at(1).insert(prompt(`${round}`), 1);
    expect(at(1).heldBy(1)).toBeLessThan(10 * 64);
    clearIndex(memory, 1);
    at(2).add(1);
    at(2).insert(prompt("abcdefgh"), 1);
    for (let round = 0; round < 50; round += 1) at(2).insert(prompt(`x${round}`), 1);
    expect(at(2).heldBy(1)).toBeGreaterThan(40 * 64);
  });

  test("has no place for an engine without a slot", () => {
    expect(start().at(1).add(undefined)).toBeUndefined();
  });

  test("is empty and usable when a thread died that was writing, and as it was when one died that was not", () => {
    const { memory, at, held } = start();
    at(0).add(40);
    at(0).insert(prompt("abc"), 40);
    buryIndex(memory, 1);
    expect(held("abc", 40)).toEqual([3, 3, 3]);
    Atomics.store(memory.numbers, 0, 1 + 1);
    buryIndex(memory, 1);
    expect([held("abc", 40), at(0).size(), at(0).heldBy(40)]).toEqual([[0, 0, 0], 0, 0]);
    at(2).insert(prompt("abd"), 40);
    expect(held("abd", 40)).toEqual([3, 3, 3]);
  });
});

test("threads that write at once leave an index of which every account is right", async () => {
  const threads = 2;
  const slots = 64;
  const capacity = 3000;
  const memory = allocateIndex(slots, capacity);
  const barrier = new Int32Array(new SharedArrayBuffer(4));
  const work = (row: number): IndexWork => ({ memory, row, threads, barrier, slots, rounds: 3000 });
  const found = await inThreads(new URL("index-thread.ts", import.meta.url), [work(1), work(2)]);
  // What was sent to an engine just now it is taken to hold, unless another thread pushed it out at once.
  for (const share of found) expect(share).toBeGreaterThan(0.9);
  const index = joinIndex(memory, 0);
  expect(index.size()).toBeLessThanOrEqual(capacity);
  // All that they hold is there to be given back, to the last byte.
  for (let root = 0; root < ROOTS; root += 1) {
    const longest = blocksOf({ root: `${root}`, bytes: new Uint8Array(64 * LONGEST) });
    for (let slot = 0; slot < slots; slot += 1) index.truncate(longest, slot, 0);
  }
  expect(index.size()).toBe(0);
  for (let slot = 0; slot < slots; slot += 1) expect(index.heldBy(slot)).toBe(0);
});
