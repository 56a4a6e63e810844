import { describe, expect, test } from "bun:test";
import { readExposition } from "../support/exposition.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { startRouter } from "../support/router.ts";

const token = (text: string): string => `data: {"choices":[{"index":0,"text":"${text}"}]}\n\n`;
const usageEvent =
  'data: {"choices":[],"usage":{"prompt_tokens":7,"total_tokens":10,"completion_tokens":3}}\n\n';
const DONE = "data: [DONE]\n\n";
const TOKENS = ["vllm:input_tokens_total", "vllm:output_tokens_total"] as const;

/** An engine that streams these chunks, with the usage event where it is asked for. */
const startEngine = (chunks: (usage: string) => readonly string[]) =>
  startRawEngine((socket, { body }) => {
    const { stream_options: options } = JSON.parse(body.toString()) as {
      stream_options?: { include_usage?: boolean };
    };
    socket.write(STREAM_HEAD);
    for (const chunk of chunks(options?.include_usage === true ? usageEvent : ""))
      if (chunk !== "") socket.write(rawChunk(chunk));
    socket.write("0\r\n\r\n");
  });

/** What was in the chunks of an answer. */
const eventsOf = (answer: string): string =>
  answer.slice(answer.indexOf("\r\n\r\n") + 4).replaceAll(/[0-9a-f]+\r\n([^]*?)\r\n/g, "$1");

const BODY = '{"model":"m","prompt":"x","stream":true}';

/** The chunked body that a client gets, and what the router has counted then. */
const ask = async (
  engine: Awaited<ReturnType<typeof startRawEngine>>,
  { body = BODY, ...options }: { body?: string; countsStreams?: boolean } = {},
) => {
  await using router = startRouter({
    backends: [{ url: engine.url, models: ["m"] }],
    countsStreams: true,
    ...options,
  });
  using client = sendRaw(
    router.port,
    rawPost("/v1/completions", body, ["Connection: close", "Accept-Encoding: gzip"]),
  );
  const text = await client.closed();
  const { value } = readExposition(await (await fetch(`${router.url}/metrics`)).text());
  return { text, events: eventsOf(text), tokens: TOKENS.map((name) => value(name)) };
};

describe("a stream whose client did not ask for usage", () => {
  test.each<[string, (usage: string) => readonly string[]]>([
    ["in a chunk of its own", (usage) => [token("a"), token("b"), usage, DONE]],
    ["with the end of the stream", (usage) => [token("a"), token("b"), usage + DONE]],
    ["with the last token", (usage) => [token("a"), token("b") + usage, DONE]],
    ["in two chunks", (usage) => [token("a"), token("b") + usage.slice(0, 40), usage.slice(40) + DONE]],
    ["first of all", (usage) => [usage, token("a"), token("b"), DONE]],
  ])("is the engine's without the event that came %s, and its tokens are counted", async (_where, chunks) => {
    await using engine = await startEngine(chunks);
    const { text, events, tokens } = await ask(engine);
    expect(events).toBe(token("a") + token("b") + DONE);
    expect(text).toEndWith("\r\n0\r\n\r\n");
    expect(tokens).toEqual([7, 3]);
    expect(engine.requests[0]?.body.toString()).toBe(
      `{"stream_options":{"include_usage":true},${BODY.slice(1)}`,
    );
    // What is compressed could not be taken apart.
    expect(engine.requests[0]?.head.toLowerCase()).toContain("accept-encoding: identity");
  });

  test("is left alone where streams are not to be counted", async () => {
    await using engine = await startEngine((usage) => [token("a"), usage, DONE]);
    const { events, tokens } = await ask(engine, { countsStreams: false });
    expect(events).toBe(token("a") + DONE);
    expect(engine.requests[0]?.body.toString()).toBe(BODY);
    expect(engine.requests[0]?.head.toLowerCase()).toContain("accept-encoding: gzip");
    expect(tokens).toEqual([0, 0]);
  });

  test("has every byte of an engine that breaks off, and then the error", async () => {
    const part = usageEvent.slice(0, 40);
    const engine = await startRawEngine((socket) =>
      socket.write(STREAM_HEAD + rawChunk(token("a")) + rawChunk(part)),
    );
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], countsStreams: true });
    using client = sendRaw(router.port, rawPost("/v1/completions", BODY));
    await client.until(/"a"/);
    await engine[Symbol.asyncDispose]();
    const events = eventsOf(await client.closed());
    expect(events).toStartWith(`${token("a")}${part}\n\ndata: {"error":`);
    expect(events).not.toContain("[DONE]");
  });
});

test("a stream whose client asked for usage is the engine's to the byte", async () => {
  await using engine = await startEngine((usage) => [token("a"), usage, DONE]);
  const body = '{"model":"m","stream":true,"stream_options":{"include_usage":true}}';
  const { events, tokens } = await ask(engine, { body });
  expect(events).toBe(token("a") + usageEvent + DONE);
  expect(engine.requests[0]?.body.toString()).toBe(body);
  expect(tokens).toEqual([7, 3]);
});

test("a stream that an engine compresses all the same is passed on as it is", async () => {
  const zipped = Bun.gzipSync(token("a") + usageEvent + DONE);
  await using engine = await startRawEngine((socket) => {
    socket.write(STREAM_HEAD.replace("transfer-encoding", "content-encoding: gzip\r\ntransfer-encoding"));
    socket.write(`${zipped.length.toString(16)}\r\n`);
    socket.write(zipped);
    socket.write("\r\n0\r\n\r\n");
  });
  await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], countsStreams: true });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${router.url}/v1/completions`, { method: "POST", headers, body: BODY });
  expect(await response.text()).toBe(token("a") + usageEvent + DONE);
});

test("an attempt on another engine asks for usage as well, and hides it", async () => {
  await using failing = await startRawEngine((socket) => socket.resetAndDestroy());
  await using engine = await startEngine((usage) => [token("a"), usage, DONE]);
  const backends = [failing, engine].map(({ url }) => ({ url, models: ["m"] }));
  await using router = startRouter({ backends, maxReroutes: 1, countsStreams: true });
  for (const turn of [1, 2]) {
    using client = sendRaw(router.port, rawPost("/v1/completions", BODY, ["Connection: close"]));
    expect([turn, eventsOf(await client.closed())]).toEqual([turn, token("a") + DONE]);
  }
  expect(failing.requests.length).toBeGreaterThan(0);
});
