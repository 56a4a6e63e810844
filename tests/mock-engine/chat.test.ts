import { describe, expect, test } from "bun:test";
import { eventsOf, post, read, startEngine } from "./started.ts";

const path = "/v1/chat/completions";
const hello = { model: "mock-model", messages: [{ role: "user", content: "hello there" }] };

interface Whole {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
}

const contentOf = async (response: Response): Promise<string> =>
  ((await response.json()) as Whole).choices[0]?.message.content ?? "";

describe("a whole answer", () => {
  test("has vLLM's fields", async () => {
    await using engine = startEngine();
    const { status, body } = await read(await post(engine, path, { ...hello, max_tokens: 4 }));
    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: "chat.completion",
      created: expect.closeTo(Date.now() / 1000, -1),
      model: "mock-model",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: expect.stringMatching(/^[A-Z][a-z]*( [a-z]+)+/),
            refusal: null,
            annotations: null,
            audio: null,
            function_call: null,
            tool_calls: [],
            reasoning: null,
          },
          logprobs: null,
          finish_reason: "length",
          stop_reason: null,
          token_ids: null,
        },
      ],
      service_tier: null,
      system_fingerprint: null,
      usage: {
        prompt_tokens: 8,
        total_tokens: 12,
        completion_tokens: 4,
        prompt_tokens_details: { cached_tokens: 0 },
      },
      prompt_logprobs: null,
      prompt_token_ids: null,
      kv_transfer_params: null,
    });
  });

  test("is the same from every engine of one seed, and another from another seed or for another prompt", async () => {
    await using first = startEngine({ seed: 7 });
    await using second = startEngine({ seed: 7, servedModelName: ["other"] });
    await using third = startEngine({ seed: 8 });
    const content = await contentOf(await post(first, path, hello));
    expect(await contentOf(await post(second, path, { ...hello, model: "other" }))).toBe(content);
    expect(await contentOf(await post(third, path, hello))).not.toBe(content);
    const other = { ...hello, messages: [{ role: "user", content: "hello you" }] };
    expect(await contentOf(await post(first, path, other))).not.toBe(content);
    expect(await contentOf(await post(first, path, { ...hello, seed: 3 }))).not.toBe(content);
  });

  test("takes its id from x-request-id", async () => {
    await using engine = startEngine();
    const { body } = await read(await post(engine, path, hello, { "x-request-id": "abc" }));
    expect(body).toMatchObject({ id: "chatcmpl-abc" });
  });

  test("prefers max_completion_tokens, and honours stop, ignore_eos and min_tokens", async () => {
    await using engine = startEngine();
    const finish = async (fields: object): Promise<unknown> =>
      (await read(await post(engine, path, { ...hello, ...fields }))).body;
    expect(await finish({ max_tokens: 9, max_completion_tokens: 2 })).toMatchObject({
      usage: { completion_tokens: 2 },
    });
    expect(await finish({ max_tokens: 90, ignore_eos: true })).toMatchObject({
      usage: { completion_tokens: 90 },
    });
    expect(await finish({ max_tokens: 90, min_tokens: 60 })).toMatchObject({
      usage: { completion_tokens: 60 },
      choices: [{ finish_reason: "stop", stop_reason: null }],
    });
    expect(await finish({ max_tokens: 90, ignore_eos: true, stop: "." })).toMatchObject({
      choices: [{ finish_reason: "stop", stop_reason: "." }],
    });
  });

  test("a conversation that goes on finds its past in the prefix cache", async () => {
    await using engine = startEngine();
    const first = (await (
      await post(engine, path, { ...hello, max_tokens: 60, ignore_eos: true })
    ).json()) as Whole;
    const messages = [
      ...hello.messages,
      { role: "assistant", content: first.choices[0]?.message.content },
      { role: "user", content: "go on" },
    ];
    const second = (await (await post(engine, path, { ...hello, messages })).json()) as Whole;
    // Everything but the last token of the answer was computed: 67 tokens, four whole blocks.
    expect([first.usage.prompt_tokens, second.usage.prompt_tokens_details.cached_tokens]).toEqual([8, 64]);
    const salted = (await (
      await post(engine, path, { ...hello, messages, cache_salt: "mine" })
    ).json()) as Whole;
    expect(salted.usage.prompt_tokens_details.cached_tokens).toBe(0);
  });

  test("content may come in parts, and an image counts by what it is", async () => {
    await using engine = startEngine();
    const ask = async (...content: readonly object[]): Promise<string> =>
      contentOf(await post(engine, path, { ...hello, messages: [{ role: "user", content }] }));
    const image = (url: string) => ({ type: "image_url", image_url: { url } });
    const plain = await contentOf(await post(engine, path, hello));
    expect(await ask({ type: "text", text: "hello " }, { type: "text", text: "there" })).toBe(plain);
    expect(await ask(image("a"))).toBe(await ask(image("a")));
    expect(await ask(image("a"))).not.toBe(await ask(image("b")));
  });
});

describe("a streamed answer", () => {
  const chunk = (rest: object) => ({
    data: {
      id: "chatcmpl-r",
      object: "chat.completion.chunk",
      created: expect.any(Number),
      model: "mock-model",
      ...rest,
    },
  });
  const choice = (delta: object, finish: string | null, rest: object) => [
    { index: 0, delta, logprobs: null, finish_reason: finish, ...rest },
  ];
  const ask = async (fields: object): Promise<{ response: Response; text: string }> => {
    await using engine = startEngine();
    const headers = { "x-request-id": "r" };
    const response = await post(engine, path, { ...hello, stream: true, max_tokens: 2, ...fields }, headers);
    return { response, text: await response.text() };
  };

  test("is a role chunk, a chunk for each token, and [DONE]", async () => {
    const { response, text } = await ask({});
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(eventsOf(text)).toEqual([
      chunk({ choices: choice({ role: "assistant", content: "" }, null, {}), prompt_token_ids: null }),
      chunk({ choices: choice({ content: expect.any(String) }, null, { token_ids: null }) }),
      chunk({
        choices: choice({ content: expect.any(String) }, "length", { stop_reason: null, token_ids: null }),
      }),
      { data: "[DONE]" },
    ]);
  });

  test("has a usage chunk only when asked for", async () => {
    const usage = { prompt_tokens: 8, total_tokens: 10, completion_tokens: 2 };
    const details = { prompt_tokens_details: { cached_tokens: 0 } };
    const { text } = await ask({ stream_options: { include_usage: true } });
    expect(eventsOf(text).slice(3)).toEqual([
      chunk({ choices: [], usage: { ...usage, ...details } }),
      { data: "[DONE]" },
    ]);
    expect((await ask({})).text).not.toContain("usage");
  });

  test("counts in every chunk when asked to", async () => {
    const { text } = await ask({ stream_options: { include_usage: true, continuous_usage_stats: true } });
    expect([...(text.match(/"completion_tokens":\d/g) ?? [])]).toEqual(
      [0, 1, 2, 2].map((count) => `"completion_tokens":${count}`),
    );
  });

  test("says the same as the whole one", async () => {
    await using engine = startEngine();
    const whole = await contentOf(await post(engine, path, hello));
    const events = eventsOf(await (await post(engine, path, { ...hello, stream: true })).text());
    const parts = events.map(
      ({ data }) => (data as { choices?: readonly { delta: { content: string } }[] }).choices,
    );
    expect(parts.map((choices) => choices?.[0]?.delta.content ?? "").join("")).toBe(whole);
  });
});

describe("what is refused", () => {
  const refused = async (body: unknown): Promise<{ status: number; body: unknown }> => {
    await using engine = startEngine({ maxModelLen: 100 });
    return await read(await post(engine, path, body));
  };

  test("an unknown model", async () => {
    expect(await refused({ ...hello, model: "nope" })).toEqual({
      status: 404,
      body: {
        error: {
          message: "The model `nope` does not exist.",
          type: "NotFoundError",
          param: "model",
          code: 404,
        },
      },
    });
  });

  test("a body without messages, as vLLM's request models do", async () => {
    expect(await refused({ model: "mock-model" })).toEqual({
      status: 400,
      body: {
        error: {
          message:
            "1 validation error:\n  {'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}",
          type: "Bad Request",
          param: "body.messages",
          code: 400,
        },
      },
    });
  });

  test("limits that cannot be met", async () => {
    const error = (param: string) => ({
      status: 400,
      body: { error: { message: expect.any(String), type: "BadRequestError", param, code: 400 } },
    });
    expect(await refused({ ...hello, max_tokens: 0 })).toEqual(error("max_tokens"));
    expect(await refused({ ...hello, max_tokens: 95 })).toEqual(error("input_tokens"));
    expect(await refused({ ...hello, n: 2 })).toEqual(error("n"));
  });

  test("a body that is not JSON", async () => {
    await using engine = startEngine();
    const headers = { "content-type": "application/json" };
    const broken = await fetch(engine.url + path, { method: "POST", headers, body: "{" });
    expect([broken.status, await broken.text()]).toEqual([400, expect.stringContaining("json_invalid")]);
    const form = await fetch(engine.url + path, { method: "POST", body: new URLSearchParams({ a: "b" }) });
    expect([form.status, await form.text()]).toEqual([
      400,
      expect.stringContaining("Unsupported Media Type"),
    ]);
  });
});
