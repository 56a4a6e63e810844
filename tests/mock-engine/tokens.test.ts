import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  blockHashes,
  createTokenHasher,
  detokenize,
  endOfText,
  hashOf,
  tokenize,
} from "../../src/mock-engine/tokens.ts";

const texts = (text: string): (string | undefined)[] => tokenize(text).map((token) => detokenize([token]));

describe("tokens", () => {
  test("are words with their space, cut at six bytes, and marks on their own", () => {
    expect(texts("The river, information!  12345\n\nend")).toEqual([
      "The",
      " river",
      ",",
      " infor",
      "mation",
      "!",
      "  ",
      "123",
      "45",
      "\n\n",
      "end",
    ]);
  });

  test("are about four characters long in English", () => {
    const text =
      "Routers stand in front of engines and send each request to the one that will answer it soonest. ";
    expect(text.length / tokenize(text).length).toBeWithin(3.5, 5);
  });

  test("give any text back, whatever engine cut it", () => {
    // Characters of one byte to four, without the halves of surrogate pairs.
    const character = fc.oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0x80, max: 0xd7ff }),
      fc.integer({ min: 0x1_0000, max: 0x10_ffff }),
    );
    fc.assert(
      fc.property(fc.array(character, { maxLength: 40 }), (characters) => {
        const text = String.fromCodePoint(...characters);
        expect(detokenize(tokenize(text))).toBe(text);
      }),
    );
  });

  test("are distinct safe integers below the end of text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const token of tokenize(text)) {
          expect(Number.isSafeInteger(token) && token >= 0 && token < endOfText).toBe(true);
        }
      }),
    );
    expect(detokenize([endOfText])).toBe("");
  });

  test("that are none have no text", () => {
    for (const token of [-1, 1.5, endOfText + 1, Number.NaN]) expect(detokenize([token])).toBeUndefined();
  });

  test("of a text that goes on with another kind of character begin with those of the text", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "river", "1", " ", "\n"), { maxLength: 20 }), (words) => {
        const head = words.join("");
        expect(tokenize(`${head}<|end|>`).slice(0, tokenize(head).length)).toEqual(tokenize(head));
      }),
    );
  });
});

describe("hashes", () => {
  const tokens = Array.from({ length: 64 }, (_, index) => index * 1_000_003);

  test("there is one for each full block", () => {
    expect(blockHashes(tokens.slice(0, 47), 16, "")).toHaveLength(2);
    expect(blockHashes(tokens.slice(0, 48), 16, "")).toHaveLength(3);
  });

  test("a block's covers everything before it", () => {
    const plain = blockHashes(tokens, 16, "");
    const changed = blockHashes(tokens.with(20, 5), 16, "");
    expect(changed[0]).toBe(plain[0] ?? -1);
    for (const index of [1, 2, 3]) expect(changed[index]).not.toBe(plain[index] ?? -1);
  });

  test("are the same for a sequence that grew", () => {
    const hasher = createTokenHasher(16, "");
    hasher.push(tokens.slice(0, 10));
    hasher.push(tokens.slice(10));
    expect(hasher.blocks).toEqual(blockHashes(tokens, 16, ""));
  });

  test("a salt keeps equal texts apart", () => {
    const others = new Set([...blockHashes(tokens, 16, ""), ...blockHashes(tokens, 16, "b")]);
    expect(blockHashes(tokens, 16, "a").filter((hash) => others.has(hash))).toEqual([]);
  });

  test("neighbours do not collide", () => {
    const seen = new Set<number>();
    for (let token = 0; token < 50_000; token += 1) seen.add(hashOf([token]));
    expect(seen.size).toBe(50_000);
  });
});
