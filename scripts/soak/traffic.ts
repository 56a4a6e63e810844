import { dechunk, readStream } from "../../tests/support/chunked-stream.ts";
import { rawPost, sendRaw } from "../../tests/support/raw-client.ts";

/** What became of a client's request. */
export type Outcome =
  /** Answered as it had to be. */
  | "served"
  /** Refused, as it had to be. */
  | "refused"
  /** Broken off or turned away because of an engine, and told so. */
  | "told"
  /** The client left. */
  | "left"
  /** No answer, a wrong one, or one that broke off and did not say so. */
  | "lost";

/** What one client did. */
export interface Visit {
  readonly kind: string;
  readonly outcome: Outcome;
  /** What came, where it was not what had to. */
  readonly answer?: string;
}

const CLOSE = ["Connection: close"];
const TIME_LIMIT_MS = 60_000;
const NO_END = "there was no end";
const LONG = "x".repeat(300_000);

const pick = <Item>(items: readonly [Item, ...Item[]]): Item =>
  items[Math.floor(Math.random() * items.length)] ?? items[0];
const upTo = (most: number): number => Math.floor(Math.random() * most);

const bodyOf = (stream: boolean, tokens: number, prompt = `Soak ${upTo(1000)}`): string =>
  JSON.stringify({
    model: "m",
    stream,
    max_tokens: tokens,
    ignore_eos: true,
    messages: [{ role: "user", content: prompt }],
  });

const within = async <Answer>(ms: number, answer: Promise<Answer>): Promise<Answer | undefined> => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
};

const exchange = async (port: number, request: string): Promise<string> => {
  using client = sendRaw(port, request);
  return (await within(TIME_LIMIT_MS, client.closed())) ?? NO_END;
};

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
const isTold = (answer: string): boolean => statusOf(answer) >= 429 && /"error"/.test(answer);

const whole = async (port: number, prompt?: string): Promise<Visit> => {
  const tokens = 1 + upTo(20);
  const request = rawPost("/v1/chat/completions", bodyOf(false, tokens, prompt), CLOSE);
  const answer = await exchange(port, request);
  if (statusOf(answer) === 200 && answer.includes(`"completion_tokens":${tokens}`))
    return { kind: "whole", outcome: "served" };
  return { kind: "whole", outcome: isTold(answer) ? "told" : "lost", answer };
};

const streamed = async (port: number): Promise<Visit> => {
  const tokens = 1 + upTo(40);
  const request = rawPost("/v1/chat/completions", bodyOf(true, tokens), CLOSE);
  const answer = await within(TIME_LIMIT_MS, readStream(port, request));
  if (!answer) return { kind: "stream", outcome: "lost", answer: NO_END };
  const { status, body, isWhole } = answer;
  if (status === 200 && isWhole && body.endsWith("data: [DONE]\n\n"))
    return { kind: "stream", outcome: "served" };
  const isSaid = status === 200 ? !isWhole && /^data: \{"error":/m.test(body) : status >= 429;
  return { kind: "stream", outcome: isSaid ? "told" : "lost", answer: `${status} ${body}` };
};

/** Leaves at any moment, in any way. */
const leaving = async (port: number): Promise<Visit> => {
  const client = sendRaw(port, rawPost("/v1/chat/completions", bodyOf(true, 200)));
  await Bun.sleep(upTo(300));
  client.socket[pick(["destroy", "resetAndDestroy", "end"] as const)]();
  await Bun.sleep(20);
  client[Symbol.dispose]();
  return { kind: "leaving", outcome: "left" };
};

/** Takes nothing of its stream for a while, and then all of it. */
const pausing = async (port: number): Promise<Visit> => {
  using client = sendRaw(port, rawPost("/v1/chat/completions", bodyOf(true, 50), CLOSE));
  client.socket.pause();
  await Bun.sleep(500 + upTo(1000));
  client.socket.resume();
  const answer = await within(TIME_LIMIT_MS, client.closed());
  if (answer === undefined) return { kind: "pausing", outcome: "lost", answer: NO_END };
  const { body, isWhole } = dechunk(Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1"));
  const isDone = body.endsWith("data: [DONE]\n\n");
  if (isWhole && isDone) return { kind: "pausing", outcome: "served" };
  // Whoever does not read when a connection is cut has nothing of what was said before but the cut.
  return { kind: "pausing", outcome: isTold(answer) || !isWhole ? "told" : "lost", answer };
};

const MALFORMED: readonly [string, ...string[]] = [
  rawPost("/v1/chat/completions", '{"model":', CLOSE),
  rawPost("/v1/chat/completions", '{"model":"unknown"}', CLOSE),
  rawPost("/v1/chat/completions", "{}", ["Transfer-Encoding: chunked"]),
  rawPost("/nowhere", "{}", CLOSE),
  "GET / HTTP/9.9\r\n\r\n",
  "\0\x01\x02\r\n\r\n",
];

const malformed = async (port: number): Promise<Visit> => {
  const answer = await exchange(port, pick(MALFORMED));
  const status = statusOf(answer);
  const isRefused = status >= 400 && (status < 500 || status === 505 || status === 503);
  return { kind: "malformed", outcome: isRefused ? "refused" : "lost", answer };
};

/** Begins a request and does not end it. */
const unfinished = async (port: number): Promise<Visit> => {
  using client = sendRaw(port, rawPost("/v1/chat/completions", bodyOf(false, 1)).slice(0, -5));
  await Promise.race([client.closed(), Bun.sleep(upTo(2000))]);
  return { kind: "unfinished", outcome: "left" };
};

const looking = async (port: number): Promise<Visit> => {
  const path = pick(["/metrics", "/health", "/v1/models", "/engines"] as const);
  const answer = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return { kind: "looking", outcome: [200, 503].includes(statusOf(answer)) ? "served" : "lost", answer };
};

/** One client of some kind; never rejects. */
export const visit = async (port: number): Promise<Visit> => {
  const chance = Math.random();
  if (chance < 0.35) return whole(port);
  if (chance < 0.65) return streamed(port);
  if (chance < 0.8) return leaving(port);
  if (chance < 0.84) return pausing(port);
  if (chance < 0.86) return whole(port, LONG);
  if (chance < 0.92) return malformed(port);
  if (chance < 0.95) return unfinished(port);
  return looking(port);
};
