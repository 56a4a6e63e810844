import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  blockHashesOf,
  bytesOf,
  createPerfectCache,
  type Span,
  tokensOf,
} from "../../src/simulate/prompt.ts";

const BLOCK = 16;
const spans = fc.array(
  fc.record({
    id: fc.oneof(fc.nat(6), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 3 })),
    tokens: fc.integer({ min: 1, max: 90 }),
  }),
  { maxLength: 5 },
);

/** A text token by token. */
const textOf = (text: readonly Span[]): readonly string[] =>
  text.flatMap(({ id, tokens }) => Array.from({ length: tokens }, (_, index) => `${id}:${index}`));

const commonPrefix = (left: ArrayLike<unknown>, right: ArrayLike<unknown>): number => {
  let length = 0;
  while (length < Math.min(left.length, right.length) && left[length] === right[length]) length += 1;
  return length;
};

describe("a text that is only told of", () => {
  test("has the same block hashes as another exactly as far as both say the same", () => {
    fc.assert(
      fc.property(spans, spans, fc.boolean(), (left, tail, shares) => {
        const right = shares ? [...left.slice(0, 2), ...tail] : tail;
        const common = commonPrefix(textOf(left), textOf(right));
        const hashes = [blockHashesOf(left, BLOCK), blockHashesOf(right, BLOCK)] as const;
        expect(hashes[0].length).toBe(Math.floor(tokensOf(left) / BLOCK));
        expect(commonPrefix(...hashes)).toBe(Math.floor(common / BLOCK));
      }),
      { numRuns: 500 },
    );
  });

  test("has four bytes for each token, the same as another as far as both say the same", () => {
    fc.assert(
      fc.property(spans, spans, (left, tail) => {
        const right = [...left.slice(0, 2), ...tail];
        const common = commonPrefix(textOf(left), textOf(right));
        const [one, other] = [bytesOf(left), bytesOf(right)];
        expect(one.length).toBe(4 * tokensOf(left));
        const same = commonPrefix(one, other);
        // A byte is one of sixteen letters, so that a few may be equal by chance.
        expect(same).toBeGreaterThanOrEqual(4 * common);
        expect(same).toBeLessThan(4 * common + 16);
      }),
    );
  });

  test("is UTF-8 that holds no control characters", () => {
    expect(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf([{ id: 7, tokens: 50 }]))).toMatch(
      /^[a-p]{200}$/,
    );
  });
});

describe("a cache without limits", () => {
  test("knows the whole spans from the start that it has learnt", () => {
    const cache = createPerfectCache();
    const [system, question, other]: readonly Span[] = [
      { id: 1, tokens: 100 },
      { id: 2, tokens: 20 },
      { id: 3, tokens: 30 },
    ];
    if (!system || !question || !other) throw new Error("there are three");
    expect(cache.match([system, question])).toBe(0);
    cache.learn([system, question]);
    expect(cache.match([system, question, other])).toBe(120);
    expect(cache.match([system, other])).toBe(100);
    expect(cache.match([question])).toBe(0);
  });
});
