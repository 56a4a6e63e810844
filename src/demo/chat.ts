import * as v from "valibot";
import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";

/** A message of a conversation. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A chat request that is to be streamed. */
export interface Chat {
  /** Sent as `x-request-id`. */
  readonly id: string;
  readonly model: string;
  readonly messages: readonly Message[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A streamed answer, complete, with what its client measured. */
export interface ChatAnswer {
  readonly text: string;
  /** Milliseconds from sending the request to the first text. */
  readonly ttftMs: number;
  /** Rate after the first token; absent where there was no time to measure one. */
  readonly tokensPerSecond?: number;
  readonly promptTokens: number;
  /** Prompt tokens that the engine found in its cache. */
  readonly cachedTokens: number;
}

interface ChatDeps {
  readonly fetch: EngineFetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Gets each piece of the answer as it comes. */
  readonly onText: (text: string) => void;
}

const chunkSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    error: v.optional(v.object({ message: v.string() })),
    choices: v.optional(v.array(v.object({ delta: v.object({ content: v.nullish(v.string()) }) })), []),
    usage: v.nullish(
      v.object({
        prompt_tokens: v.number(),
        completion_tokens: v.number(),
        prompt_tokens_details: v.nullish(v.object({ cached_tokens: v.nullish(v.number()) })),
      }),
    ),
  }),
);

/** The data of server-sent events, one string for each event. */
const readEvents = async function* (body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of body) {
    const events = (text + decoder.decode(bytes, { stream: true })).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) if (event.startsWith("data: ")) yield event.slice("data: ".length);
  }
};

/** Sends a chat request to a server's base URL and reads the stream to its end; throws when there is no whole answer. */
export const streamChat = async (url: string, chat: Chat, deps: ChatDeps): Promise<ChatAnswer> => {
  const { fetch, clock, signal, onText } = deps;
  const { id, model, messages } = chat;
  const headers = new Headers({ ...chat.headers, "content-type": "application/json", "x-request-id": id });
  const options = { stream: true, stream_options: { include_usage: true } };
  const body = new Uint8Array(Buffer.from(JSON.stringify({ model, messages, ...options })));

  const sentAt = clock.monotonic();
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body, signal });
  if (!response.ok || response.body === null) {
    throw new Error(`request ${id} was answered with ${response.status}: ${await response.text()}`);
  }

  let text = "";
  let firstAt: number | undefined;
  let lastAt = sentAt;
  let usage: v.InferOutput<typeof chunkSchema>["usage"];
  let isDone = false;
  for await (const data of readEvents(response.body)) {
    if (data === "[DONE]") {
      isDone = true;
      continue;
    }
    const chunk = v.parse(chunkSchema, data);
    if (chunk.error) throw new Error(`request ${id} failed: ${chunk.error.message}`);
    usage = chunk.usage ?? usage;
    if (chunk.choices.length === 0) continue;
    lastAt = clock.monotonic();
    const piece = chunk.choices[0]?.delta.content ?? "";
    if (piece === "") continue;
    firstAt ??= lastAt;
    text += piece;
    onText(piece);
  }
  if (!isDone || !usage || firstAt === undefined)
    throw new Error(`the answer to request ${id} is incomplete`);
  const rate = ((usage.completion_tokens - 1) / (lastAt - firstAt)) * 1000;
  return {
    text,
    ttftMs: firstAt - sentAt,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    ...(Number.isFinite(rate) && rate > 0 ? { tokensPerSecond: rate } : {}),
  };
};
