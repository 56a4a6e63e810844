import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fieldSpans, MAX_FIELDS, parseSpan, replaceSpan } from "../../src/proxy/json-fields.ts";
import { bytesOf, jsonObject } from "./json-text.ts";

const DEPTH = 64;

const valuesOf = (bytes: Uint8Array): Map<string, unknown> =>
  new Map([...fieldSpans(bytes, DEPTH)].map(([name, span]) => [name, parseSpan(bytes, span, bytes.length)]));

/** What JSON.parse makes of the same bytes; own fields only, of repeated ones the last. */
const parsed = (bytes: Uint8Array): Map<string, unknown> =>
  new Map(Object.entries(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>));

const sorted = (fields: Map<string, unknown>) =>
  [...fields].sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));

describe("spans", () => {
  test("hold what JSON.parse finds, whatever the spacing, escapes, names and repetitions", () => {
    fc.assert(
      fc.property(jsonObject(), ({ text }) => {
        const bytes = bytesOf(text);
        expect(sorted(valuesOf(bytes))).toEqual(sorted(parsed(bytes)));
      }),
      { numRuns: 500 },
    );
  });

  test("cover the value and nothing around it", () => {
    const bytes = bytesOf(' { "a" : [1, "]"] ,"b":\t"x\\"}" , "c":-1e5}\n');
    const texts = [...fieldSpans(bytes, DEPTH)].map(([name, { start, end }]) => [
      name,
      Buffer.from(bytes.subarray(start, end)).toString(),
    ]);
    expect(texts).toEqual([
      ["a", '[1, "]"]'],
      ["b", '"x\\"}"'],
      ["c", "-1e5"],
    ]);
  });

  test("start after a byte order mark", () => {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, ...bytesOf('{"model":"m"}')]);
    expect(valuesOf(bytes)).toEqual(new Map([["model", "m"]]));
  });

  test("longer than the limit count as absent", () => {
    const bytes = bytesOf('{"model":"12345"}');
    const span = fieldSpans(bytes, DEPTH).get("model") ?? { start: 0, end: 0 };
    expect(parseSpan(bytes, span, 7)).toBe("12345");
    expect(parseSpan(bytes, span, 6)).toBeUndefined();
  });
});

test("a spliced value changes its field and not one other byte", () => {
  fc.assert(
    fc.property(
      jsonObject().filter(({ entries }) => entries.some(([name]) => name === "model")),
      fc.string({ unit: "grapheme" }),
      ({ text }, model) => {
        const bytes = bytesOf(text);
        const span = fieldSpans(bytes, DEPTH).get("model") ?? { start: 0, end: 0 };
        const replacement = bytesOf(JSON.stringify(model));
        const spliced = replaceSpan(bytes, span, replacement);
        expect(parsed(spliced)).toEqual(new Map([...parsed(bytes), ["model", model]]));
        expect(spliced.subarray(0, span.start)).toEqual(bytes.subarray(0, span.start));
        expect(spliced.subarray(span.start + replacement.length)).toEqual(bytes.subarray(span.end));
      },
    ),
  );
});

describe("what is not an object's outline", () => {
  const broken = [
    "",
    " ",
    "[]",
    "1",
    '"{}"',
    "{",
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a" 1}',
    "{a:1}",
    '{"a":"x}',
    '{"a":"x\\"}',
    '{"a":[1}',
    '{"a":{"b":1}',
    '{"a":}',
    '{"a":1}}',
    '{"a":1}{',
    '{"\n":1}',
    '{"\\x":1}',
    "\ufeff\ufeff{}",
  ];
  test.each(broken)("%p is a SyntaxError", (text) => {
    expect(() => fieldSpans(bytesOf(text), DEPTH)).toThrow(SyntaxError);
  });

  test("arbitrary bytes, and any cut or flipped byte of an object, end in spans or a SyntaxError", () => {
    const outcome = (bytes: Uint8Array): unknown => {
      try {
        return fieldSpans(bytes, DEPTH);
      } catch (error) {
        return error;
      }
    };
    const damaged = fc
      .tuple(jsonObject(), fc.nat(), fc.nat({ max: 255 }), fc.boolean())
      .map(([{ text }, seed, byte, isCut]) => {
        const bytes = bytesOf(text);
        const at = seed % bytes.length;
        if (isCut) return bytes.subarray(0, at);
        bytes[at] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), damaged), (bytes) => {
        const result = outcome(bytes);
        expect(result instanceof Map || result instanceof SyntaxError).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("every proper prefix of an object is a SyntaxError", () => {
    const bytes = bytesOf('{"a":[{"b":"\\\\"},1],"model":"m\\"","n":null}');
    for (let end = 0; end < bytes.length; end += 1)
      expect(() => fieldSpans(bytes.subarray(0, end), DEPTH)).toThrow(SyntaxError);
    expect(fieldSpans(bytes, DEPTH).size).toBe(3);
  });

  test.each([
    ["lists", "[", "]"],
    ["objects", '{"a":', "}"],
  ])("%s nested as deep as allowed pass, one deeper does not", (_what, open, close) => {
    const nested = (levels: number): Uint8Array =>
      bytesOf(`{"x":${open.repeat(levels - 1)}1${close.repeat(levels - 1)}}`);
    expect(fieldSpans(nested(DEPTH), DEPTH).size).toBe(1);
    expect(() => fieldSpans(nested(DEPTH + 1), DEPTH)).toThrow(SyntaxError);
    expect(() => fieldSpans(nested(100_000), DEPTH)).toThrow(SyntaxError);
  });

  test("more fields than any request has are refused, repeated or not", () => {
    const withFields = (count: number, name: (index: number) => string): Uint8Array =>
      bytesOf(`{${Array.from({ length: count }, (_, index) => `"${name(index)}":1`).join()}}`);
    expect(fieldSpans(withFields(MAX_FIELDS, String), DEPTH).size).toBe(MAX_FIELDS);
    expect(() => fieldSpans(withFields(MAX_FIELDS + 1, String), DEPTH)).toThrow(SyntaxError);
    expect(() =>
      fieldSpans(
        withFields(MAX_FIELDS + 1, () => ""),
        DEPTH,
      ),
    ).toThrow(SyntaxError);
  });
});

describe("a body of 10 MB is crossed in a fraction of the time in which it is sent", () => {
  const megabytes = 10 * 1024 * 1024;
  const bodies: [string, string][] = [
    ["one long string", JSON.stringify({ model: "m", prompt: "x".repeat(megabytes) })],
    ["a string of escaped quotes", `{"model":"m","p":"${'\\"'.repeat(megabytes / 2)}"}`],
    ["a string of escaped backslashes", `{"model":"m","p":"${"\\\\".repeat(megabytes / 2)}"}`],
    [
      "a million small numbers",
      JSON.stringify({ model: "m", prompt: Array.from({ length: 1e6 }, () => 4711) }),
    ],
    [
      "a million short strings",
      JSON.stringify({ model: "m", prompt: Array.from({ length: 1e6 }, () => "ab") }),
    ],
    ["nothing but spaces", `{"model":"m"${" ".repeat(megabytes)}}`],
  ];
  test.each(bodies)("%s", (_what, text) => {
    const bytes = bytesOf(text);
    fieldSpans(bytes, DEPTH);
    const begin = performance.now();
    const spans = fieldSpans(bytes, DEPTH);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(parseSpan(bytes, spans.get("model") ?? { start: 0, end: 0 }, 100)).toBe("m");
  });

  test("nothing but fields is refused at once", () => {
    const bytes = bytesOf(`{${'"":1,'.repeat(megabytes / 5)}"":1}`);
    const begin = performance.now();
    expect(() => fieldSpans(bytes, DEPTH)).toThrow(SyntaxError);
    expect(performance.now() - begin).toBeLessThan(100);
  });
});
