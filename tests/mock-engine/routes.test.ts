import { describe, expect, test } from "bun:test";
import { eventsOf, post, read, startEngine } from "./started.ts";

const list = (prefix: string, data: readonly object[], tokens: number) => ({
  status: 200,
  body: {
    id: expect.stringMatching(new RegExp(`^${prefix}-[0-9a-f]{32}$`)),
    object: "list",
    created: expect.any(Number),
    model: "mock-model",
    data,
    usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0, prompt_tokens_details: null },
  },
});

describe("vectors and classes", () => {
  test("embeddings are vectors of length 1, one for each input, the same for the same text", async () => {
    await using engine = startEngine();
    const input = ["one", "two", "one"];
    const { body } = await read(await post(engine, "/v1/embeddings", { model: "mock-model", input }));
    const { data } = body as { data: { embedding: number[] }[] };
    const [first, second, third] = data.map(({ embedding }) => embedding);
    expect(first).toHaveLength(64);
    expect(Math.hypot(...(first ?? []))).toBeCloseTo(1);
    expect(third).toEqual(first ?? []);
    expect(second).not.toEqual(first ?? []);
    const entry = (index: number) => ({ index, object: "embedding", embedding: expect.any(Array) });
    expect({ status: 200, body }).toEqual(list("embd", [entry(0), entry(1), entry(2)], 3));
  });

  test("embeddings in base64 are the same numbers as little-endian floats", async () => {
    await using engine = startEngine();
    const ask = async (encoding_format: string): Promise<unknown> => {
      const { body } = await read(
        await post(engine, "/v1/embeddings", { input: "one", dimensions: 8, encoding_format }),
      );
      return (body as { data: [{ embedding: unknown }] }).data[0].embedding;
    };
    const bytes = Buffer.from((await ask("base64")) as string, "base64");
    const floats = Array.from({ length: 8 }, (_, index) => bytes.readFloatLE(index * 4));
    expect(floats).toEqual([...new Float32Array((await ask("float")) as number[])]);
  });

  test("pooling and classify", async () => {
    await using engine = startEngine();
    const ask = async (path: string) =>
      read(await post(engine, path, { input: ["one", "two"], dimensions: 3 }));
    const vector = (index: number) => ({ index, object: "pooling", data: expect.any(Array) });
    expect(await ask("/pooling")).toEqual(list("pool", [vector(0), vector(1)], 2));
    const entry = (index: number) => ({
      index,
      label: expect.stringMatching(/^LABEL_[01]$/),
      probs: [expect.any(Number), expect.any(Number)],
      num_classes: 2,
    });
    expect(await ask("/classify")).toEqual(list("classify", [entry(0), entry(1)], 2));
  });

  test("computing them takes the engine's time and its cache", async () => {
    await using engine = startEngine();
    await (await post(engine, "/v1/embeddings", { input: ["one ".repeat(40), "two"] })).text();
    expect(engine.state()).toMatchObject({ finished: 2, running: 0, kvCacheUsage: 0 });
  });

  test("an input that is missing or too long is refused", async () => {
    await using engine = startEngine({ maxModelLen: 10 });
    expect((await post(engine, "/v1/embeddings", { model: "mock-model" })).status).toBe(400);
    expect(await read(await post(engine, "/v1/embeddings", { input: "word ".repeat(20) }))).toEqual({
      status: 400,
      body: { error: expect.objectContaining({ type: "BadRequestError", param: "input_tokens" }) },
    });
  });
});

describe("scores", () => {
  const pair = (index: number) => ({ index, object: "score", score: expect.any(Number) });

  test.each(["/score", "/v1/score"])("%s compares one with each, or each with its own", async (path) => {
    await using engine = startEngine();
    const ask = async (body: object) => read(await post(engine, path, body));
    const one = await ask({ text_1: "a", text_2: ["b", "c"] });
    expect(one).toEqual(list("score", [pair(0), pair(1)], 4));
    expect((await ask({ queries: ["a", "a"], documents: ["b", "c"] })).body).toMatchObject({
      data: (one.body as { data: object[] }).data,
    });
    expect((await ask({ text_1: ["a", "b", "c"], text_2: ["d", "e"] })).status).toBe(400);
    expect((await ask({ text_1: "a" })).status).toBe(400);
  });

  test.each(["/rerank", "/v1/rerank", "/v2/rerank"])("%s orders documents, best first", async (path) => {
    await using engine = startEngine();
    const documents = ["w", "x", "y", "z"];
    const { body } = await read(await post(engine, path, { query: "q", documents }));
    const { results } = body as { results: { index: number; relevance_score: number }[] };
    expect(results.map(({ index }) => index).toSorted((left, right) => left - right)).toEqual([0, 1, 2, 3]);
    const scores = results.map(({ relevance_score }) => relevance_score);
    expect(scores).toEqual(scores.toSorted((left, right) => right - left));
    expect(new Set(scores.map((score) => score.toFixed(1))).size).toBeGreaterThan(1);
    expect(body).toEqual({
      id: expect.stringMatching(/^rerank-/),
      model: "mock-model",
      usage: { prompt_tokens: 8, total_tokens: 8 },
      results: results.map(({ index }) => ({
        index,
        document: { text: documents[index], multi_modal: null },
        relevance_score: expect.any(Number),
      })),
    });
    const best = await read(await post(engine, path, { query: "q", documents, top_n: 2 }));
    expect((best.body as { results: unknown }).results).toEqual(results.slice(0, 2));
  });
});

test("tokenize and detokenize are each other's inverse", async () => {
  await using engine = startEngine();
  const prompt = "Hello, 世界! 123";
  const { body } = await read(await post(engine, "/tokenize", { model: "mock-model", prompt }));
  const { tokens } = body as { tokens: number[] };
  expect(body).toEqual({ count: tokens.length, max_model_len: 32_768, tokens, token_strs: null });
  expect(await read(await post(engine, "/detokenize", { tokens }))).toEqual({
    status: 200,
    body: { prompt },
  });
  const named = await read(
    await post(engine, "/tokenize", { prompt: "Hello, you", return_token_strs: true }),
  );
  expect(named.body).toMatchObject({ token_strs: ["Hello", ",", " you"] });
  const chat = await read(
    await post(engine, "/tokenize", { messages: [{ role: "user", content: "hello" }] }),
  );
  expect(chat.body).toMatchObject({ count: 7 });
});

describe("sound", () => {
  const upload = (fields: Readonly<Record<string, string>>, bytes = 64_000): FormData => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("file", new File([new Uint8Array(bytes).fill(7)], "speech.wav"));
    return form;
  };

  test.each(["transcriptions", "translations"])("%s read a multipart upload", async (task) => {
    await using engine = startEngine();
    const ask = async (form: FormData) =>
      read(await fetch(`${engine.url}/v1/audio/${task}`, { method: "POST", body: form }));
    const first = await ask(upload({ model: "mock-model" }));
    expect(first).toEqual({
      status: 200,
      body: { text: expect.any(String), usage: { type: "duration", seconds: 2 } },
    });
    expect(await ask(upload({ model: "mock-model" }))).toEqual(first);
    expect((await ask(upload({ model: "mock-model" }, 64_001))).body).not.toEqual(first.body);
    expect((await ask(upload({ model: "nope" }))).status).toBe(404);
    expect((await ask(upload({ response_format: "verbose_json" }))).body).toMatchObject({
      duration: "2",
      language: "en",
    });
  });

  test("a transcription can be streamed", async () => {
    await using engine = startEngine();
    const body = upload({ model: "mock-model", stream: "true", stream_include_usage: "true" });
    const response = await fetch(`${engine.url}/v1/audio/transcriptions`, { method: "POST", body });
    const events = eventsOf(await response.text()).map(({ data }) => data);
    expect(events[0]).toEqual({
      id: expect.stringMatching(/^trsc-/),
      object: "transcription.chunk",
      created: expect.any(Number),
      model: "mock-model",
      choices: [{ delta: { content: expect.any(String) }, finish_reason: null }],
    });
    expect(events.at(-3)).toMatchObject({ choices: [{ finish_reason: "stop", stop_reason: null }] });
    expect(events.at(-2)).toMatchObject({ choices: [], usage: { prompt_tokens: 100 } });
    expect(events.at(-1)).toBe("[DONE]");
  });

  test("an upload without a file, and one that is none, are refused", async () => {
    await using engine = startEngine();
    const url = `${engine.url}/v1/audio/transcriptions`;
    const form = new FormData();
    form.set("model", "mock-model");
    expect((await fetch(url, { method: "POST", body: form })).status).toBe(400);
    form.set("file", "text");
    expect((await fetch(url, { method: "POST", body: form })).status).toBe(400);
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    expect((await fetch(url, { method: "POST", headers, body: "garbage" })).status).toBe(400);
    expect((await post(engine, "/v1/audio/transcriptions", {})).status).toBe(400);
  });

  test("speech is bytes that depend on the text alone", async () => {
    await using engine = startEngine();
    const ask = async (input: string) => post(engine, "/v1/audio/speech", { model: "mock-model", input });
    const response = await ask("one two three");
    expect(response.headers.get("content-type")).toBe("audio/wav");
    const bytes = await response.bytes();
    expect(bytes.length).toBe(3 * 640);
    expect(await (await ask("one two three")).bytes()).toEqual(bytes);
    expect(await (await ask("one two four")).bytes()).not.toEqual(bytes);
  });
});
