import { expect, test } from "bun:test";
import fc from "fast-check";
import { blocksOf } from "../../src/routing/prompt-blocks.ts";

const blocks = (text: string | Uint8Array, root = "m") => blocksOf({ root, bytes: Buffer.from(text) });

test("blocks are fine in the first KiB, coarser after it, and end with the first MiB", () => {
  const { ends, count, length } = blocks(new Uint8Array(3 * 1024 * 1024));
  const sizes = [...ends].map((end, index) => end - (ends[index - 1] ?? 0));
  expect([sizes.slice(0, 17), sizes[142], sizes.at(-1)]).toEqual([
    [...Array.from({ length: 16 }, () => 64), 512],
    2048,
    2048,
  ]);
  expect([count, ends.at(-1), length]).toEqual([ends.length, 1024 * 1024, 3 * 1024 * 1024]);
});

test.each([
  [0, 0],
  [63, 0],
  [64, 1],
  [1024, 16],
  [1535, 16],
  [1536, 17],
  [65_536, 142],
  [67_584, 143],
])("a prompt of %d bytes has %d blocks", (bytes, count) => {
  expect(blocks(new Uint8Array(bytes)).count).toBe(count);
});

test("two prompts have the same hashes exactly as far as their blocks are equal", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 4000 });
  fc.assert(
    fc.property(bytes, fc.nat(), bytes, (text, cut, tail) => {
      const [one, other] = [text, Buffer.concat([text.subarray(0, cut % text.length), tail])];
      const [left, right] = [blocks(one), blocks(other)];
      for (let index = 0; index < Math.min(left.count, right.count); index += 1) {
        const end = left.ends[index] ?? 0;
        const areEqual = Buffer.compare(one.subarray(0, end), other.subarray(0, end)) === 0;
        const [from, to] = [2 * index, 2 * index + 2];
        expect(Bun.deepEquals(left.hashes.slice(from, to), right.hashes.slice(from, to))).toBe(areEqual);
      }
    }),
  );
});

test("another root has other hashes from the first block on", () => {
  const text = "a".repeat(100);
  expect(blocks(text, "m").hashes).not.toEqual(blocks(text, "n").hashes);
});
