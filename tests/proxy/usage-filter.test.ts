import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createUsageFilter } from "../../src/proxy/usage-filter.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** What comes out of a filter for each chunk, and at the end. */
const sift = (chunks: readonly (string | Uint8Array<ArrayBuffer>)[]) => {
  const filter = createUsageFilter();
  const parts = chunks.map((chunk) => filter.take(typeof chunk === "string" ? bytes(chunk) : chunk));
  const rest = filter.rest();
  const decode = (...some: readonly (Uint8Array | undefined)[]): string =>
    Buffer.concat(some.filter((part) => part !== undefined)).toString();
  return {
    passed: parts.map((part) => decode(part)),
    rest: decode(rest),
    whole: decode(...parts, rest),
    usage: filter.usage(),
  };
};

/** Cuts bytes at places that are given as parts of their length. */
const cutAt = (all: Uint8Array<ArrayBuffer>, places: readonly number[]) => {
  const cuts = [
    0,
    ...places.map((place) => Math.floor(place * all.length)).sort((a, b) => a - b),
    all.length,
  ];
  return cuts.slice(1).map((end, index) => all.slice(cuts[index], end));
};

const COUNTS = { prompt_tokens: 12, total_tokens: 46, completion_tokens: 34 };
const EXPECTED = { input: 12, output: 34 };
const usageEvent = `data: ${JSON.stringify({ id: "x", choices: [], usage: COUNTS })}\n\n`;
const token = (content: string): string =>
  `data: ${JSON.stringify({ id: "x", choices: [{ index: 0, delta: { content } }] })}\n\n`;
const DONE = "data: [DONE]\n\n";

const HUNDRED = Array.from({ length: 100 }, (_, at) => at / 100);

describe("a stream without the event that the router asked for", () => {
  test("is every other byte, wherever the engine's bytes are cut, and the tokens are known", () => {
    const all = bytes(token("é") + token("b") + usageEvent + DONE);
    const expected = token("é") + token("b") + DONE;
    for (let first = 0; first <= all.length; first += 1) {
      for (const length of [1, 2, 7, 60]) {
        const second = Math.min(all.length, first + length);
        const result = sift([all.slice(0, first), all.slice(first, second), all.slice(second)]);
        expect(result.whole).toBe(expected);
        expect(result.usage).toEqual(EXPECTED);
      }
    }
  });

  test.each<[string, string]>([
    ["spaces as Python's json writes them", `data: {"choices": [], "usage": ${JSON.stringify(COUNTS)}}\n\n`],
    ["lines that end as in HTTP", `data: {"choices":[],"usage":${JSON.stringify(COUNTS)}}\r\n\r\n`],
    ["no space after the field's name", `data:{"choices":[],"usage":${JSON.stringify(COUNTS)}}\n\n`],
    ["the usage before the choices", `data: {"usage":${JSON.stringify(COUNTS)},"choices":[]}\n\n`],
  ])("knows the event with %s", (_what, event) => {
    const result = sift([token("a"), event, DONE]);
    expect(result).toMatchObject({ passed: [token("a"), "", DONE], rest: "", usage: EXPECTED });
  });

  test.each<[string, string]>([
    ["usage beside a choice", `data: ${JSON.stringify({ choices: [{ index: 0 }], usage: COUNTS })}\n\n`],
    ["usage that is null", 'data: {"choices":[],"usage":null}\n\n'],
    ["no usage", 'data: {"choices":[],"prompt_filter_results":[]}\n\n'],
    ["a token that is its text", token(usageEvent)],
    ["an event of several lines", `event: usage\n${usageEvent}`],
    ["a comment", `: "usage" {"choices":[],"usage":{}}\n\n`],
    ["what is no JSON", 'data: {"choices":[],"usage":{}\n\n'],
    [
      "an event that is longer than any of this kind",
      `data: ${JSON.stringify({ pad: "x".repeat(5000), choices: [], usage: COUNTS })}\n\n`,
    ],
  ])("has %s", (_what, event) => {
    const result = sift([token("a"), event, DONE]);
    expect(result.whole).toBe(token("a") + event + DONE);
    expect(result.usage).toBeUndefined();
  });

  test("loses one such event and no second", () => {
    expect(sift([usageEvent + usageEvent, usageEvent]).whole).toBe(usageEvent + usageEvent);
  });

  test("keeps the empty lines before that event, wherever it is cut", () => {
    for (const lines of ["\n", "\n\n", "\r\n"]) {
      const whole = token("a") + lines + usageEvent + DONE;
      for (let at = 0; at <= whole.length; at += 1)
        expect(sift([whole.slice(0, at), whole.slice(at)]).whole).toBe(token("a") + lines + DONE);
    }
  });

  test("never waits with a whole event, and with a long one not for its end", () => {
    expect(sift([`${token("a")}data: {"ch`, 'oices":[{}]}\n\n']).passed).toEqual([
      token("a"),
      'data: {"choices":[{}]}\n\n',
    ]);
    const long = `data: {"choices":[{"text":"${"x".repeat(5000)}`;
    expect(sift([long, "y", '"}]}\n', `\n${usageEvent}`]).passed).toEqual([long, "y", '"}]}', "\n\n"]);
  });

  test("that breaks off ends with the bytes that were held back", () => {
    const result = sift([token("a"), usageEvent.slice(0, 30)]);
    expect(result.passed).toEqual([token("a"), ""]);
    expect(result.rest).toBe(usageEvent.slice(0, 30));
  });

  test("is every other byte for any events and any cuts", () => {
    const end = fc.constantFrom("\n\n", "\r\n\r\n", "\n\r\n", "\n\n\n");
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }).map((each) => each.replaceAll(/[\r\n]/g, "")),
      fc.constantFrom("", '"usage":{', '{"choices":[],"usage":', "x".repeat(4200)),
    );
    const other = fc.oneof(
      fc.tuple(text, end).map(([each, last]) => `data: ${each}${last}`),
      text.map(token),
      text.map((each) => `: ${each}\n`),
    );
    const stream = fc.tuple(
      fc.array(other),
      fc.array(other),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
    );
    fc.assert(
      fc.property(stream, ([before, after, places]) => {
        // The usage event follows an event that has ended.
        const head = before.join("") + token("last");
        const tail = after.join("") + DONE;
        const result = sift(cutAt(bytes(head + usageEvent + tail), places));
        expect(result.whole).toBe(head + tail);
        expect(result.usage).toEqual(EXPECTED);
      }),
    );
  }, 60_000);

  test("costs no more for bytes made to be slow to sift", () => {
    const began = performance.now();
    for (const hostile of [
      "\r".repeat(60_000),
      "\n".repeat(60_000),
      '"usage"'.repeat(9000),
      "data: {\n\n".repeat(7000),
    ])
      expect(sift(cutAt(bytes(hostile), HUNDRED)).whole).toBe(hostile);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
