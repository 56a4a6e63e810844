import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseBeginning } from "../../src/proxy/json-cut.ts";

const beginningOf = (text: string, maxBytes: number): unknown => {
  const bytes = Buffer.from(`{"a":${text}}`);
  return parseBeginning(bytes, { start: 5, end: bytes.length - 1 }, maxBytes);
};

test("a value that fits is read whole", () => {
  expect(beginningOf('[1,{"b":"c"}]', 13)).toEqual([1, { b: "c" }]);
});

test.each([
  ['"abcdef"', 4, "abc"],
  [String.raw`"ab\ncd"`, 4, "ab"],
  [String.raw`"ab\ncd"`, 5, "ab\n"],
  [String.raw`"ab\u00e9d"`, 8, "ab"],
  [String.raw`"ab\u00e9d"`, 9, "abé"],
  [String.raw`"a\\\\b"`, 5, "a\\"],
  ['"aéb"', 3, "a"],
  ['"a😀b"', 5, "a"],
  ['"a😀b"', 6, "a😀"],
  ["[1,22,333]", 6, [1, 22]],
  ["[1,22,333]", 4, [1]],
  ['[{"role":"user","content":"hello"}]', 30, [{ role: "user", content: "hel" }]],
  ['[{"role":"user","content":"hello"}]', 20, [{ role: "user" }]],
  ['[{"a":[1,2]},{"b":3}]', 13, [{ a: [1, 2] }]],
  ['[{"a":"b"}, {"c":"d"}]', 12, [{ a: "b" }]],
])("of %s the first %d bytes are closed again", (text, maxBytes, expected) => {
  expect(beginningOf(text, maxBytes)).toEqual(expected);
});

test("what is no JSON counts as absent, whole or cut", () => {
  expect(beginningOf("[1,]", 100)).toBeUndefined();
  expect(beginningOf("[tru,1,2,3]", 6)).toBeUndefined();
});

test("every cut of every value that opens with a bracket or a quote is JSON, and begins as the whole does", () => {
  const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.array(fc.jsonValue()), fc.object());
  fc.assert(
    fc.property(value, fc.nat(), (whole, at) => {
      const text = JSON.stringify(whole);
      if (text === undefined) return;
      const length = 1 + (at % Buffer.byteLength(text));
      const cut = beginningOf(text, length);
      expect(cut).toBeDefined();
      const again = JSON.stringify(cut);
      const common = again.replace(/["\]}]*$/, "");
      if (!text.includes("\\")) expect(JSON.stringify(JSON.parse(text)).startsWith(common)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
