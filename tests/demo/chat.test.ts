import { describe, expect, test } from "bun:test";
import type { EngineFetch, EngineRequest } from "../../src/core/engine-fetch.ts";
import { streamChat } from "../../src/demo/chat.ts";
import { createTestClock } from "../support/clock.ts";

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content: string): string => event({ choices: [{ index: 0, delta: { content } }] });
const usage = event({
  choices: [],
  usage: { prompt_tokens: 20, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 16 } },
});
const whole = [delta(""), delta("Grü"), delta("ße"), delta(""), usage, "data: [DONE]\n\n"];

/** Sends a chat to a server that gives each piece after 100 ms and each byte on its own. */
const chatWith = async (pieces: readonly string[], status = 200) => {
  const clock = createTestClock();
  const sent: { readonly url: string; readonly request: EngineRequest }[] = [];
  const texts: string[] = [];
  const fetch: EngineFetch = async (url, request) => {
    sent.push({ url, request });
    const bytes = pieces.flatMap((piece) =>
      [...Buffer.from(piece)].map((byte, index) => ({ byte, isFirst: index === 0 })),
    );
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      const next = bytes.shift();
      if (!next) return controller.close();
      if (next.isFirst) clock.advance(100);
      controller.enqueue(Uint8Array.of(next.byte));
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { status });
  };
  const chat = {
    id: "id-1",
    model: "m",
    messages: [{ role: "user", content: "Hi" }],
    headers: { "x-user-id": "alice" },
  } as const;
  const { signal } = new AbortController();
  const onText = (text: string) => texts.push(text);
  return { answer: await streamChat("http://router", chat, { fetch, clock, signal, onText }), texts, sent };
};

test("a stream is read to its end, whatever its pieces, and measured from the first text on", async () => {
  const { answer, texts } = await chatWith(whole);
  expect(texts).toEqual(["Grü", "ße"]);
  expect(answer).toEqual({
    text: "Grüße",
    ttftMs: 200,
    tokensPerSecond: 10,
    promptTokens: 20,
    cachedTokens: 16,
  });
});

test("the request asks for a stream with usage and carries the id and the chat's own headers", async () => {
  const { sent } = await chatWith(whole);
  const [{ url, request } = { url: "", request: undefined }] = sent;
  expect([url, request?.method]).toEqual(["http://router/v1/chat/completions", "POST"]);
  expect(request?.headers.toJSON()).toEqual({
    "content-type": "application/json",
    "x-request-id": "id-1",
    "x-user-id": "alice",
  });
  expect(JSON.parse(Buffer.from(request?.body ?? []).toString())).toEqual({
    model: "m",
    messages: [{ role: "user", content: "Hi" }],
    stream: true,
    stream_options: { include_usage: true },
  });
});

describe("what is no whole answer is an error", () => {
  const rejected = async (pieces: readonly string[], status?: number): Promise<string> =>
    chatWith(pieces, status).then(
      () => "answered",
      (error: Error) => error.message,
    );

  test("a stream without its end", async () => {
    expect(await rejected(whole.slice(0, -1))).toBe("the answer to request id-1 is incomplete");
  });

  test("a stream without a text", async () => {
    expect(await rejected([delta(""), usage, "data: [DONE]\n\n"])).toContain("incomplete");
  });

  test("a stream without usage", async () => {
    expect(await rejected([delta("Hi"), "data: [DONE]\n\n"])).toContain("incomplete");
  });

  test("an error event", async () => {
    const failure = event({ error: { message: "out of memory" } });
    expect(await rejected([delta("Hi"), failure])).toBe("request id-1 failed: out of memory");
  });

  test("another status, which is shown with its body", async () => {
    expect(await rejected(['{"error":"no"}'], 503)).toBe(
      'request id-1 was answered with 503: {"error":"no"}',
    );
  });
});
