import { expect, test } from "bun:test";
import { tokenize } from "../../src/mock-engine/tokens.ts";
import { eventsOf, post, read, startEngine } from "./started.ts";

const path = "/v1/completions";

const choice = (index: number, text: unknown) => ({
  index,
  text,
  logprobs: null,
  finish_reason: "length",
  stop_reason: null,
  token_ids: null,
  prompt_logprobs: null,
  prompt_token_ids: null,
});

test("a whole answer has vLLM's fields, a choice for each prompt, and the sum of their tokens", async () => {
  await using engine = startEngine();
  const { status, body } = await read(
    await post(engine, path, { model: "mock-model", prompt: ["one two", "three"], max_tokens: 3 }),
  );
  expect(status).toBe(200);
  expect(body).toEqual({
    id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/),
    object: "text_completion",
    created: expect.any(Number),
    model: "mock-model",
    choices: [choice(0, expect.any(String)), choice(1, expect.any(String))],
    service_tier: null,
    system_fingerprint: null,
    usage: {
      prompt_tokens: 3,
      total_tokens: 9,
      completion_tokens: 6,
      prompt_tokens_details: { cached_tokens: 0 },
    },
    kv_transfer_params: null,
  });
});

test("a prompt of tokens is the prompt of their text", async () => {
  await using engine = startEngine();
  const ask = async (prompt: unknown): Promise<unknown> => {
    const { body } = await read(await post(engine, path, { prompt, max_tokens: 5 }));
    return (body as { choices: readonly { text: string }[] }).choices.map(({ text }) => text);
  };
  const [one] = (await ask("one two")) as [string];
  expect(await ask(tokenize("one two"))).toEqual([one]);
  expect(await ask([tokenize("one two"), tokenize("one two")])).toEqual([one, one]);
});

test("an answer has 16 tokens at most unless more are asked for", async () => {
  await using engine = startEngine();
  const { body } = await read(await post(engine, path, { prompt: "x", ignore_eos: true }));
  expect(body).toMatchObject({ usage: { completion_tokens: 16 } });
});

test("echo puts the prompt before the answer", async () => {
  await using engine = startEngine();
  const ask = async (fields: object): Promise<string> => {
    const response = await post(engine, path, { prompt: "Once upon", max_tokens: 4, ...fields });
    return response.text();
  };
  const whole = JSON.parse(await ask({ echo: true })) as { choices: [{ text: string }] };
  const plain = JSON.parse(await ask({})) as { choices: [{ text: string }] };
  expect(whole.choices[0].text).toBe(`Once upon${plain.choices[0].text}`);
  const events = eventsOf(await ask({ echo: true, stream: true }));
  const texts = events.map(({ data }) => (data as { choices?: [{ text: string }] }).choices?.[0].text ?? "");
  expect(texts.join("")).toBe(whole.choices[0].text);
});

test("a stream interleaves its choices and ends once, with the usage of all", async () => {
  await using engine = startEngine();
  const body = { prompt: ["a", "b"], max_tokens: 2, stream: true, stream_options: { include_usage: true } };
  const events = eventsOf(await (await post(engine, path, body)).text());
  const chunk = (index: number, finish: string | null) => ({
    id: expect.stringMatching(/^cmpl-/),
    object: "text_completion",
    created: expect.any(Number),
    model: "mock-model",
    choices: [
      {
        index,
        text: expect.any(String),
        logprobs: null,
        finish_reason: finish,
        stop_reason: null,
        prompt_token_ids: null,
        token_ids: null,
      },
    ],
  });
  expect(events.map(({ data }) => data)).toEqual([
    chunk(0, null),
    chunk(1, null),
    chunk(0, "length"),
    chunk(1, "length"),
    expect.objectContaining({
      choices: [],
      usage: {
        prompt_tokens: 2,
        total_tokens: 6,
        completion_tokens: 4,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    }),
    "[DONE]",
  ]);
});

test("one prompt too long refuses the request before any of it runs", async () => {
  await using engine = startEngine({ maxModelLen: 20 });
  const { status } = await read(await post(engine, path, { prompt: ["short", "long ".repeat(50)] }));
  expect([status, engine.state().running + engine.state().waiting, engine.state().finished]).toEqual([
    400, 0, 0,
  ]);
});

test("an empty list of prompts and tokens that are none are refused", async () => {
  await using engine = startEngine();
  for (const prompt of [[], [2 ** 60], [-1], [1.5], {}]) {
    const { status, body } = await read(await post(engine, path, { prompt }));
    expect([status, body]).toEqual([
      400,
      { error: expect.objectContaining({ param: "body.prompt", code: 400 }) },
    ]);
  }
});
