import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readUsage } from "../../src/proxy/usage.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
const expected = { input: 12, output: 34 };

describe("the tokens of an answer", () => {
  test.each<[string, string]>([
    ["a completion", JSON.stringify({ id: "x", choices: [{ text: "hi" }], usage, kv_transfer_params: null })],
    ["the end of a stream", `data: {"choices":[],"usage":${JSON.stringify(usage)}}\n\ndata: [DONE]\n\n`],
    [
      "a stream that told before, and tells nothing in its last event",
      `data: {"usage":${JSON.stringify(usage)}}\n\ndata: {"choices":[],"usage":null}\n\ndata: [DONE]\n\n`,
    ],
    [
      "Anthropic's messages",
      'data: {"type":"message_delta","usage":{"input_tokens":12,"output_tokens":34}}\n\n',
    ],
    ["an indented body", JSON.stringify({ usage }, null, 2)],
    ["a body whose text speaks of it", JSON.stringify({ usage, text: 'a "usage": {"prompt_tokens": 1}' })],
    ["a body with a name that is the word", JSON.stringify({ usage, name: "usage" })],
  ])("are found in %s", (_what, text) => {
    expect(readUsage(bytes(text))).toEqual(expected);
  });

  test("of embeddings are those of the input alone", () => {
    const text = JSON.stringify({
      data: [{ embedding: [0.1] }],
      usage: { prompt_tokens: 7, total_tokens: 7 },
    });
    expect(readUsage(bytes(text))).toEqual({ input: 7, output: 0 });
  });

  test.each([
    { prompt_tokens: 9, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 8 } },
    { input_tokens: 9, output_tokens: 1, input_tokens_details: { cached_tokens: 8 } },
  ])("are told with those that the engine had cached: %j", (told) => {
    expect(readUsage(bytes(JSON.stringify({ usage: told })))).toEqual({ input: 9, output: 1, cached: 8 });
  });

  test.each([null, {}, { cached_tokens: "8" }, { cached_tokens: -1 }, [8]])(
    "are told without those where the details are %j",
    (details) => {
      const told = { prompt_tokens: 9, completion_tokens: 1, prompt_tokens_details: details };
      expect(readUsage(bytes(JSON.stringify({ usage: told })))).toEqual({ input: 9, output: 1 });
    },
  );

  test("are found wherever two chunks are cut", () => {
    const text = `data: {"choices":[],"usage":${JSON.stringify(usage)}}\n\ndata: [DONE]\n\n`;
    for (let cut = 0; cut <= text.length; cut += 1)
      expect(readUsage(bytes(text.slice(cut)), bytes(text.slice(0, cut)))).toEqual(expected);
  });

  test.each<[string, string | undefined]>([
    ["no body", undefined],
    ["an empty one", ""],
    ["null", '{"usage":null}'],
    ["a list", "[]"],
    ["another kind of thing", '{"usage":[1]}'],
    ["no numbers", '{"usage":{"prompt_tokens":"12"}}'],
    ["what no count can be", '{"usage":{"prompt_tokens":-1,"completion_tokens":1e400}}'],
    ["half an object", '{"usage":{"prompt_tokens":12'],
    ["bytes that are no text", "\u0000\uffff"],
  ])("are absent where there is %s", (_what, text) => {
    expect(readUsage(text === undefined ? undefined : bytes(text))).toBeUndefined();
  });

  test("are looked for at the end only, and no bytes make that throw or change", () => {
    const far = `{"usage":${JSON.stringify(usage)},"text":"${"x".repeat(5000)}"}`;
    expect(readUsage(bytes(far))).toBeUndefined();
    const part = fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.constantFrom(bytes('"usage":{'), bytes("}{")));
    fc.assert(
      fc.property(fc.array(part), fc.array(part), (before, last) => {
        const given = [Buffer.concat(before), Buffer.concat(last)] as const;
        const copies = given.map((each) => Buffer.from(each));
        readUsage(given[1], given[0]);
        expect(given.map((each) => Buffer.from(each))).toEqual(copies);
      }),
    );
  });

  test("cost no more for a tail made to be slow to read", () => {
    const began = performance.now();
    for (const tail of [
      "{".repeat(4000),
      "{}".repeat(2000),
      `{${"{}".repeat(1900)}`,
      '"usage":{{'.repeat(400),
    ])
      expect(readUsage(bytes(`"usage":${tail}`))).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(250);
  });
});
