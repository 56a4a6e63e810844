import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPrefixIndex, type PrefixIndex } from "../../src/routing/prefix-index.ts";
import { blocksOf, type PromptBlocks } from "../../src/routing/prompt-blocks.ts";

/** A prompt of blocks of 64 bytes, one for each letter. */
const prompt = (letters: string): PromptBlocks =>
  blocksOf({ root: "m", bytes: Buffer.from(letters.replaceAll(/./gu, (letter) => letter.repeat(64))) });

const engines = (index: PrefixIndex, count: number): readonly number[] =>
  Array.from({ length: count }, () => index.add());

/** Blocks that each engine holds of a prompt. */
const held = (index: PrefixIndex, letters: string, places: readonly number[]): readonly number[] => {
  const blocks = prompt(letters);
  const matched = Array.from(index.match(blocks));
  // What is asked of one engine alone is the same.
  for (const place of places) expect(index.matchOn(blocks, place)).toBe(matched[place] ?? 0);
  return places.map((place) => (matched[place] ?? 0) / 64);
};

describe("an engine is taken to hold", () => {
  test("every prefix that it shares with a prompt that it was sent, and nothing of others", () => {
    const index = createPrefixIndex({ capacity: 1000 });
    const [a = 0, b = 0, c = 0] = engines(index, 3);
    index.insert(prompt("system one"), a);
    index.insert(prompt("system two"), b);
    index.insert(prompt("sys"), c);
    expect(held(index, "system one", [a, b, c])).toEqual([10, 7, 3]);
    expect(held(index, "system", [a, b, c])).toEqual([6, 6, 3]);
    expect(held(index, "other", [a, b, c])).toEqual([0, 0, 0]);
    expect(held(index, "", [a, b, c])).toEqual([0, 0, 0]);
  });

  test("what a list of all prefixes says, whatever was sent, taken back and removed", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 8 });
    const event = fc.record({
      kind: fc.constantFrom("insert", "insert", "insert", "truncate", "replace"),
      engine: fc.nat(69),
      letters,
      blocks: fc.nat(8),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), fc.array(letters), (events, questions) => {
        const index = createPrefixIndex({ capacity: 5000 });
        const places = [...engines(index, 70)];
        const known = places.map(() => new Set<string>());
        for (const { kind, engine, letters: text, blocks } of events) {
          const prefixes = known[engine] ?? new Set();
          const place = places[engine] ?? 0;
          if (kind === "insert") {
            index.insert(prompt(text), place);
            for (let end = 1; end <= text.length; end += 1) prefixes.add(text.slice(0, end));
          } else if (kind === "truncate") {
            const gone = [...prefixes].filter((prefix) => text.startsWith(prefix) && prefix.length > blocks);
            // What another prompt goes on from is not given up.
            const isShared = [...prefixes].some(
              (prefix) => !text.startsWith(prefix) && gone.some((start) => prefix.startsWith(start)),
            );
            if (isShared) continue;
            index.truncate(prompt(text), place, blocks * 64);
            for (const prefix of gone) prefixes.delete(prefix);
          } else {
            index.remove(place);
            places[engine] = index.add();
            known[engine] = new Set();
          }
        }
        for (const question of questions) {
          const expected = known.map((prefixes) => {
            let count = 0;
            while (count < question.length && prefixes.has(question.slice(0, count + 1))) count += 1;
            return count;
          });
          expect(held(index, question, places)).toEqual(expected);
        }
      }),
      { numRuns: 100 },
    );
  });
});

test("nothing is lost while the table grows", () => {
  const index = createPrefixIndex({ capacity: 1024 * 1024 });
  const place = index.add();
  const prompts = Array.from({ length: 1000 }, (_, at) =>
    blocksOf({ root: `${at}`, bytes: new Uint8Array(10_000) }),
  );
  for (const blocks of prompts) index.insert(blocks, place);
  expect(index.size()).toBeGreaterThan(30_000);
  expect(prompts.every((blocks) => index.match(blocks)[place] === blocks.ends.at(-1))).toBe(true);
});

describe("memory is bounded", () => {
  test("the oldest entries make way when the table is full, those in use stay", () => {
    const index = createPrefixIndex({ capacity: 100 });
    const [a = 0, b = 0] = engines(index, 2);
    index.insert(prompt("kept"), a);
    for (let round = 0; round < 50; round += 1) {
      index.insert(prompt(`${String.fromCodePoint(0x4e00 + round)}throwaway`), b);
      index.insert(prompt("kept"), a);
      expect(index.size()).toBeLessThanOrEqual(100);
    }
    expect(held(index, "kept", [a])).toEqual([4]);
    expect(held(index, "\u4e00throwaway", [b])[0]).toBeLessThan(10);
  });

  test("a prompt of more blocks than the table has leaves it usable", () => {
    const index = createPrefixIndex({ capacity: 10 });
    const place = index.add();
    index.insert(blocksOf({ root: "m", bytes: new Uint8Array(100_000) }), place);
    expect(index.size()).toBeLessThanOrEqual(10);
    index.insert(prompt("abc"), place);
    expect(held(index, "abc", [place])).toEqual([3]);
  });

  test("an engine that holds more than its limit gives up what it used longest ago, and no other does", () => {
    const index = createPrefixIndex({ capacity: 10_000 });
    const [small = 0, large = 0] = engines(index, 2);
    index.limit(small, 100 * 64);
    const texts = Array.from({ length: 40 }, (_, at) => `${String.fromCodePoint(0x4e00 + at)}23456789ab`);
    const lengths = texts.map((text) => blocksOf({ root: "m", bytes: Buffer.from(text.repeat(30)) }));
    for (const blocks of lengths) {
      index.insert(blocks, large);
      index.insert(blocks, small);
    }
    expect(index.heldBy(small)).toBeLessThanOrEqual(110 * 64);
    const bytesOn = (place: number) => lengths.map((blocks) => index.match(blocks)[place] ?? 0);
    expect(bytesOn(large).every((bytes, at) => bytes === lengths[at]?.ends.at(-1))).toBe(true);
    expect(bytesOn(small).slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(bytesOn(small).at(-1)).toBe(lengths.at(-1)?.ends.at(-1) ?? -1);
    index.limit(small, 0);
    for (let round = 0; round < 500 && index.heldBy(small) > 0; round += 1)
      index.insert(prompt(`${round}`), large);
    expect(index.heldBy(small)).toBe(0);
  });

  test("what an engine has just been sent is not what makes way, however full it is", () => {
    const index = createPrefixIndex({ capacity: 100_000 });
    const places = engines(index, 8);
    for (const place of places) index.limit(place, 2_000_000);
    for (let round = 0; round < 400; round += 1) {
      const blocks = blocksOf({ root: `${round % 50}`, bytes: new Uint8Array(1024 * 1024) });
      const place = places[(round * 5) % 8] ?? 0;
      index.insert(blocks, place);
      expect(index.match(blocks)[place]).toBe(1024 * 1024);
    }
    for (const place of places) expect(index.heldBy(place)).toBeLessThan(4_000_000);
  });

  test("places of engines that are gone are used again, without what their last engines held", () => {
    const index = createPrefixIndex({ capacity: 10_000 });
    const stays = index.add();
    index.insert(prompt("abc"), stays);
    let highest = 0;
    for (let round = 0; round < 1000; round += 1) {
      const place = index.add();
      highest = Math.max(highest, place);
      expect(held(index, "abc", [place])).toEqual([0]);
      index.insert(prompt("abc"), place);
      index.remove(place);
    }
    expect(highest).toBeLessThan(100);
    expect(held(index, "abc", [stays])).toEqual([3]);
  });
});

test("what an engine holds is the sum of its blocks, and nothing once it is gone or has given them back", () => {
  const index = createPrefixIndex({ capacity: 100 });
  const [a = 0, b = 0] = engines(index, 2);
  index.insert(prompt("abcd"), a);
  index.insert(prompt("abcd"), a);
  index.insert(prompt("abxy"), a);
  expect(index.heldBy(a)).toBe(6 * 64);
  index.truncate(prompt("abxy"), a, 128);
  expect([index.heldBy(a), index.size()]).toEqual([4 * 64, 4]);
  index.insert(prompt("abcd"), b);
  index.truncate(prompt("abcd"), b, 0);
  expect([index.heldBy(b), index.size()]).toEqual([0, 4]);
  index.remove(a);
  expect(index.heldBy(a)).toBe(0);
});
