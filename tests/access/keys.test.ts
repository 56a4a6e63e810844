import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { digestOf, parseKeyFile, parseKeys } from "../../src/access/keys.ts";

const hex = (key: string): string => Buffer.from(digestOf(key)).toString("hex");

test("the digest is SHA-256", () => {
  expect(hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

describe("keys", () => {
  test("have the name before the first colon, or else their number", () => {
    expect(parseKeys(["alice:sk-1", "sk-2", "bob:a:b"])).toEqual({
      keys: [
        { name: "alice", digest: hex("sk-1") },
        { name: "2", digest: hex("sk-2") },
        { name: "bob", digest: hex("a:b") },
      ],
    });
  });

  test.each([
    ["", "key 1 is empty"],
    ["alice:", "key alice is empty"],
    ["sk 1", "key 1 holds something else than visible ASCII characters, which no client could send"],
    [
      "alice:schlüssel",
      "key alice holds something else than visible ASCII characters, which no client could send",
    ],
  ])("%p is refused", (text, refusal) => {
    expect(parseKeys([text])).toEqual({ refusals: [refusal] });
  });

  test("are in no refusal", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 8 })), (texts) => {
        const parsed = JSON.stringify(parseKeys(texts.map((text) => `name:${text}`)));
        for (const text of texts) expect(parsed).not.toContain(JSON.stringify(text).slice(1, -1));
      }),
    );
  });
});

describe("a file", () => {
  test("holds a key a line, with comments and blank lines between them", () => {
    expect(parseKeyFile("# ours\n\nalice:sk-1\r\n  sk-2  \n")).toEqual({
      keys: [
        { name: "alice", digest: hex("sk-1") },
        { name: "2", digest: hex("sk-2") },
      ],
    });
  });

  test("without a key is refused: it would let nobody in, or everybody", () => {
    expect(parseKeyFile("# none yet\n")).toEqual({ refusals: ["it holds no key"] });
  });
});
