import { expect, test } from "bun:test";
import { eventsOf, post, read, startEngine } from "./started.ts";

const path = "/v1/messages";
const ask = { model: "mock-model", max_tokens: 2, messages: [{ role: "user", content: "hello" }] };

test("a whole message has Anthropic's form", async () => {
  await using engine = startEngine();
  const { status, body } = await read(await post(engine, path, ask));
  expect(status).toBe(200);
  expect(body).toEqual({
    id: expect.stringMatching(/^chatcmpl-/),
    type: "message",
    role: "assistant",
    content: [{ type: "text", text: expect.any(String) }],
    model: "mock-model",
    stop_reason: "max_tokens",
    usage: { input_tokens: 7, output_tokens: 2 },
  });
  const long = await read(await post(engine, path, { ...ask, max_tokens: 500 }));
  expect(long.body).toMatchObject({ stop_reason: "end_turn" });
});

test("a stream is Anthropic's events", async () => {
  await using engine = startEngine();
  const events = eventsOf(await (await post(engine, path, { ...ask, stream: true })).text());
  const delta = {
    type: "content_block_delta",
    delta: { type: "text_delta", text: expect.any(String) },
    index: 0,
  };
  const data = [
    {
      type: "message_start",
      message: {
        id: expect.stringMatching(/^chatcmpl-/),
        type: "message",
        role: "assistant",
        content: [],
        model: "mock-model",
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 7, output_tokens: 0 },
      },
    },
    { type: "content_block_start", content_block: { type: "text", text: "" }, index: 0 },
    delta,
    delta,
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "max_tokens" },
      usage: { input_tokens: 7, output_tokens: 2 },
    },
    { type: "message_stop" },
  ];
  expect(events).toEqual(data.map((event) => ({ event: event.type, data: event })));
});

test("tokens can be counted, the system prompt among them", async () => {
  await using engine = startEngine();
  const count = async (fields: object): Promise<unknown> =>
    (await read(await post(engine, `${path}/count_tokens`, { ...ask, ...fields }))).body;
  expect(await count({})).toEqual({ input_tokens: 7, context_management: { original_input_tokens: 7 } });
  expect(await count({ system: [{ type: "text", text: "Be brief." }] })).toMatchObject({ input_tokens: 13 });
});

test("errors have Anthropic's form, but those of a malformed body vLLM's own", async () => {
  await using engine = startEngine();
  expect(await read(await post(engine, path, { ...ask, model: "nope" }))).toEqual({
    status: 404,
    body: { type: "error", error: { type: "NotFoundError", message: "The model `nope` does not exist." } },
  });
  expect(await read(await post(engine, path, { ...ask, max_tokens: undefined }))).toEqual({
    status: 400,
    body: { error: expect.objectContaining({ type: "Bad Request", param: "body.max_tokens" }) },
  });
});
