import { expect, test } from "bun:test";
import { eventsOf, post, read, startEngine } from "./started.ts";

const path = "/v1/responses";
const ask = { model: "mock-model", input: "hello", max_output_tokens: 2 };

const item = (status: string, content: readonly unknown[]) => ({
  id: expect.stringMatching(/^msg_[0-9a-f]{32}$/),
  type: "message",
  role: "assistant",
  status,
  content,
});
const part = (text: unknown) => ({ type: "output_text", text, annotations: [], logprobs: [] });

const response = (rest: object) => ({
  id: expect.stringMatching(/^resp_[0-9a-f]{32}$/),
  created_at: expect.any(Number),
  incomplete_details: null,
  instructions: null,
  metadata: null,
  model: "mock-model",
  object: "response",
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  background: false,
  max_output_tokens: 2,
  max_tool_calls: null,
  previous_response_id: null,
  prompt: null,
  reasoning: null,
  service_tier: "auto",
  text: null,
  top_logprobs: null,
  truncation: "disabled",
  user: null,
  input_messages: null,
  output_messages: null,
  ...rest,
});

const usage = {
  input_tokens: expect.any(Number),
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 2,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: expect.any(Number),
};

test("a whole response has vLLM's fields, and is incomplete when it was cut", async () => {
  await using engine = startEngine();
  const { status, body } = await read(await post(engine, path, ask));
  expect(status).toBe(200);
  const output = [item("completed", [part(expect.any(String))])];
  const incomplete_details = { reason: "max_output_tokens" };
  expect(body).toEqual(response({ status: "incomplete", incomplete_details, output, usage }));
  const complete = await read(await post(engine, path, { ...ask, max_output_tokens: 500 }));
  expect(complete.body).toMatchObject({ status: "completed", incomplete_details: null });
});

test("a stream is the events of the Responses API, numbered, with no [DONE]", async () => {
  await using engine = startEngine();
  const events = eventsOf(await (await post(engine, path, { ...ask, stream: true })).text());
  const place = { item_id: expect.stringMatching(/^msg_/), output_index: 0, content_index: 0 };
  const begun = { response: response({ status: "in_progress", output: [], usage: null }) };
  const output = [item("completed", [part(expect.any(String))])];
  const ended = response({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    output,
    usage,
  });
  const expected: readonly [string, object][] = [
    ["response.created", begun],
    ["response.in_progress", begun],
    ["response.output_item.added", { item: item("in_progress", []), output_index: 0 }],
    ["response.content_part.added", { ...place, part: part("") }],
    ["response.output_text.delta", { ...place, delta: expect.any(String), logprobs: [] }],
    ["response.output_text.delta", { ...place, delta: expect.any(String), logprobs: [] }],
    ["response.output_text.done", { ...place, text: expect.any(String), logprobs: [] }],
    ["response.content_part.done", { ...place, part: part(expect.any(String)) }],
    ["response.output_item.done", { item: output[0], output_index: 0 }],
    ["response.completed", { response: ended }],
  ];
  expect(events).toEqual(
    expected.map(([type, fields], sequence_number) => ({
      event: type,
      data: { ...fields, sequence_number, type },
    })),
  );
});

test("input may be a conversation, and instructions come before it", async () => {
  await using engine = startEngine();
  const textOf = async (fields: object): Promise<unknown> =>
    ((await read(await post(engine, path, { ...ask, ...fields }))).body as { output: unknown }).output;
  const texts = async (fields: object): Promise<string> =>
    JSON.stringify(await textOf(fields)).replaceAll(/msg_\w+/g, "");
  const plain = await texts({});
  expect(await texts({ input: [{ role: "user", content: "hello" }] })).toBe(plain);
  expect(await texts({ input: [{ role: "user", content: [{ type: "input_text", text: "hello" }] }] })).toBe(
    plain,
  );
  expect(await texts({ instructions: "Be brief." })).not.toBe(plain);
});
