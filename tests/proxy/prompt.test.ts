import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readCall } from "../../src/proxy/call.ts";
import { readPrompt } from "../../src/proxy/prompt.ts";

type Body = Record<string, unknown>;

const promptOf = (body: Body, path = "/v1/chat/completions") => readPrompt((name) => body[name], "m", path);
const textOf = (body: Body): string => Buffer.from(promptOf(body)?.bytes ?? []).toString();
const image = (seed: string): Body => ({
  type: "image_url",
  image_url: { url: `data:image/png;base64,${seed.repeat(400)}` },
});
const user = (content: unknown): Body => ({ role: "user", content });

describe("a prompt is found in", () => {
  test.each<[string, Body, string]>([
    ["a prompt", { prompt: "Once upon a time" }, "Once upon a time"],
    ["a list of prompts", { prompt: ["one", "two"] }, "one\0two"],
    ["an input", { input: ["one"] }, "one"],
    ["a text message", { messages: [user("hi")] }, "\0user\0hi\0"],
    ["content parts", { messages: [user([{ type: "text", text: "hi" }])] }, "\0user\0hi\0"],
    ["a message without content", { messages: [{ role: "assistant", content: null }] }, "\0assistant\0"],
    ["a query with documents", { documents: ["d1", "d2"], query: "q" }, "qd1\0d2"],
    ["two texts to score", { text_2: ["b"], text_1: "a" }, "ab"],
    ["instructions and items", { input: [user("hi")], instructions: "Be brief." }, "Be brief.\0user\0hi\0"],
    [
      "a system prompt of blocks",
      { system: [{ type: "text", text: "S" }], messages: [] },
      "\0type\0text\0text\0S",
    ],
  ])("%s", (_form, body, expected) => {
    expect(textOf(body)).toBe(expected);
  });

  test("token ids, one or several prompts", () => {
    expect(promptOf({ prompt: [1, 258] })?.bytes).toEqual(new Uint8Array([1, 0, 0, 0, 2, 1, 0, 0]));
    expect(promptOf({ input: [[1], [2]] })?.bytes).toEqual(Buffer.from([1, 0, 0, 0, 0, 2, 0, 0, 0]));
  });
});

test("there is none in a body without one, in empty fields, and for routes that only count tokens", () => {
  expect(promptOf({ model: "m", temperature: 0 })).toBeUndefined();
  expect(promptOf({ prompt: "", messages: [], input: null })).toBeUndefined();
  expect(promptOf({ prompt: "hi" }, "/tokenize")).toBeUndefined();
});

test("the root is the model with the cache salt", () => {
  expect(promptOf({ prompt: "a" })?.root).toBe("m");
  expect(promptOf({ prompt: "a", cache_salt: "s" })?.root).toBe("m\0s");
});

test("tools, roles, tool calls and results, and the text of parts tell prompts apart; cache markers do not", () => {
  const bodies: Body[] = [
    { messages: [user("hi")] },
    { messages: [{ role: "system", content: "hi" }] },
    { messages: [user("hi")], tools: [{ type: "function", function: { name: "f" } }] },
    { messages: [user("hi"), { role: "assistant", tool_calls: [{ function: { arguments: '{"a":1}' } }] }] },
    { messages: [user("hi"), { role: "assistant", tool_calls: [{ function: { arguments: '{"a":2}' } }] }] },
    { messages: [user([{ type: "tool_result", content: [{ type: "text", text: "long".repeat(100) }] }])] },
    { messages: [user([{ type: "tool_result", content: [{ type: "text", text: "other".repeat(100) }] }])] },
  ];
  expect(new Set(bodies.map(textOf)).size).toBe(bodies.length);
  const marked = [{ type: "text", text: "hi", cache_control: { type: "ephemeral" } }];
  expect(textOf({ messages: [user(marked)] })).toBe(textOf({ messages: [user("hi")] }));
});

test("an image counts by its identity, however large it is", () => {
  const withImage = (seed: string) => ({ messages: [user([image(seed), { type: "text", text: "what?" }])] });
  expect(textOf(withImage("a"))).toBe(textOf(withImage("a")));
  expect(textOf(withImage("a"))).not.toBe(textOf(withImage("b")));
  expect(textOf(withImage("a")).length).toBeLessThan(100);
});

test("a conversation begins with the bytes of its earlier turns", () => {
  const content = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(fc.record({ type: fc.constant("text"), text: fc.string() }), fc.constant(image("x")))),
  );
  const message = fc.record({ role: fc.constantFrom("user", "assistant"), content });
  fc.assert(
    fc.property(fc.array(message, { minLength: 1 }), fc.array(message), (before, after) => {
      const tools = [{ type: "function", function: { name: "look" } }];
      const longer = textOf({ tools, messages: [...before, ...after] });
      expect(longer.startsWith(textOf({ messages: before, tools }))).toBe(true);
    }),
  );
});

describe("of a call", () => {
  const callOf = async (body: string, headers: Record<string, string> = {}) =>
    readCall({
      id: "r",
      request: new Request("http://router/x", { method: "POST", body, headers }),
      path: "/v1/chat/completions",
      isReplaySafe: () => true,
      maxBodyBytes: 64 * 1024 * 1024,
    });

  test("a body that is too large to be parsed has the prompt of its first megabyte of a field", async () => {
    const turns = Array.from({ length: 3000 }, (_, index) => user(`${index} ${"word ".repeat(100)}`));
    const small = await callOf(JSON.stringify({ model: "m", messages: turns.slice(0, 1500) }));
    const large = await callOf(JSON.stringify({ model: "m", messages: turns }));
    const [part, whole] = [small.prompt("m")?.bytes, large.prompt("m")?.bytes];
    expect(part?.length).toBeGreaterThan(700_000);
    expect(whole?.length).toBeLessThan(1024 * 1024);
    expect(whole?.subarray(0, part?.length)).toEqual(part ?? new Uint8Array());
  });

  test("is the same whether its body is short enough to be parsed or not", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("a", "é", "\n", '"', "\\", "\0#0").map((unit) => unit.repeat(1500)),
    );
    const part = fc.oneof(
      fc.record({ type: fc.constant("text"), text }),
      fc.record({ type: fc.constant("image_url"), image_url: fc.record({ url: text }) }),
    );
    const message = fc.record({ role: text, content: fc.oneof(text, fc.array(part, { maxLength: 2 })) });
    const fields = fc.record({
      messages: fc.array(message, { maxLength: 2 }),
      cache_salt: text,
      tools: fc.array(fc.dictionary(text, text, { maxKeys: 1 }), { maxLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(fields, async (given) => {
        const body = { model: "m", ...given };
        const large = await callOf(JSON.stringify({ ...body, user: "u".repeat(16 * 1024) }));
        expect(large.prompt("m")).toEqual(readPrompt((name) => Reflect.get(body, name), "m", large.path));
      }),
      { numRuns: 300 },
    );
  });

  test("values that are no JSON are no prompt: they are for the engine to refuse", async () => {
    const call = await callOf(`{"model":"m","prompt":[tru],"x":"${"x".repeat(1024 * 1024)}"}`);
    expect(call.prompt("m")).toBeUndefined();
  });

  test("a form has none", async () => {
    const body = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n';
    const call = await callOf(body, { "content-type": "multipart/form-data; boundary=b" });
    expect(call.prompt("m")).toBeUndefined();
  });
});
