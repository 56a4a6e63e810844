/** One kind of request and the engine's answer to it: a row of the benchmark. */
export interface Workload {
  readonly name: string;
  readonly summary: string;
  /** The request's body; the engine knows the workload by it, so each has another. */
  readonly body: Buffer;
  /** Where two digits stand in it that differ from user to user; absent where all send the same. */
  readonly variesAt?: number;
  readonly answer: CannedAnswer;
  /** The same request with usage asked for, as a router may send it, and the answer with one more event. */
  readonly withUsage?: { readonly body: Buffer; readonly answer: CannedAnswer };
  /** Requests per second of the open loop: what no contender is saturated by. */
  readonly ratePerSecond: number;
  /** Connections of the closed loop; absent where a saturated contender would find several chunks in one read. */
  readonly connections?: number;
  /** Where the latency of an answer is taken: at the first byte of its body or at the last. */
  readonly latencyTo: "first" | "end";
}

/** An engine's answer; more than one piece makes it a chunked event stream. */
export interface CannedAnswer {
  readonly contentType: string;
  readonly pieces: readonly Buffer[];
}

/** The name that every contender is told to serve. */
export const MODEL = "benchmark/model-8b";
/** The path that every request goes to. */
export const PATH = "/v1/chat/completions";
/** How many session ids the requests carry in turn. */
export const USERS = 64;

const KILOBYTE = 1024;
const CREATED = 1_750_000_000;
const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(40);

/** JSON of exactly 1 KB around a text of the right length. */
const kilobyte = (make: (text: string) => unknown): Buffer => {
  const room = KILOBYTE - Buffer.byteLength(JSON.stringify(make("")));
  return Buffer.from(JSON.stringify(make(TEXT.slice(0, room))));
};

/** A chat request of 1 KB with more fields. */
export const chat = (fields: Readonly<Record<string, unknown>>): Buffer =>
  kilobyte((text) => ({
    model: MODEL,
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: text },
    ],
    temperature: 0.7,
    ...fields,
  }));

/** Before the two digits of a body that varies. */
const MARK = "Document ";
const LONG_PROMPT_BYTES = 220 * KILOBYTE;

const longPrompt = Buffer.from(
  JSON.stringify({
    model: MODEL,
    messages: [
      { role: "system", content: `${MARK}00. ${TEXT.repeat(Math.ceil(LONG_PROMPT_BYTES / TEXT.length))}` },
      { role: "user", content: "What does it say?" },
    ],
    max_completion_tokens: 100,
  }),
);

const completion = kilobyte((text) => ({
  id: "chatcmpl-benchmark",
  object: "chat.completion",
  created: CREATED,
  model: MODEL,
  choices: [
    { index: 0, message: { role: "assistant", content: text }, logprobs: null, finish_reason: "stop" },
  ],
  usage: { prompt_tokens: 180, total_tokens: 330, completion_tokens: 150 },
}));

/** An event of a stream. */
export const event = (data: string): Buffer => Buffer.from(`data: ${data}\n\n`);

/** What an event of a stream says: a token more. */
export const delta = (content: string, finishReason: "stop" | null): string =>
  JSON.stringify({
    id: "chatcmpl-benchmark",
    object: "chat.completion.chunk",
    created: CREATED,
    model: MODEL,
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finishReason }],
  });

const deltas = (count: number): readonly Buffer[] =>
  Array.from({ length: count }, (_, index) =>
    event(delta(` token ${index}`, index === count - 1 ? "stop" : null)),
  );

const usage = { prompt_tokens: 180, total_tokens: 244, completion_tokens: 64 };

const usageEvent = event(
  JSON.stringify({
    id: "chatcmpl-benchmark",
    object: "chat.completion.chunk",
    created: CREATED,
    model: MODEL,
    choices: [],
    usage,
  }),
);

const streamBody = chat({ max_completion_tokens: 64, stream: true });

/** A request with usage asked for, as a router may send it. */
export const withUsage = (body: Buffer): Buffer =>
  Buffer.from(`{"stream_options":{"include_usage":true},${body.toString().slice(1)}`);

/** The content type of every stream. */
export const streamType = "text/event-stream; charset=utf-8";

/** Every workload, in the order in which they run. */
export const workloads: readonly Workload[] = [
  {
    name: "json-1k",
    summary: "1 KB of JSON, answered with 1 KB of JSON",
    body: chat({ max_completion_tokens: 150 }),
    answer: { contentType: "application/json", pieces: [completion] },
    ratePerSecond: 1000,
    connections: 32,
    latencyTo: "end",
  },
  {
    name: "stream-64",
    summary: "1 KB of JSON, answered with 64 chunks 1 ms apart and [DONE]",
    body: streamBody,
    answer: { contentType: streamType, pieces: [...deltas(64), event("[DONE]")] },
    withUsage: {
      body: withUsage(streamBody),
      // As an engine writes it, with the end of the stream.
      answer: {
        contentType: streamType,
        pieces: [...deltas(64), Buffer.concat([usageEvent, event("[DONE]")])],
      },
    },
    ratePerSecond: 200,
    latencyTo: "first",
  },
  {
    name: "prompt-220k",
    summary: "a prompt of 220 KB, one of 64, answered with 1 KB of JSON",
    body: longPrompt,
    variesAt: longPrompt.indexOf(MARK) + MARK.length,
    answer: { contentType: "application/json", pieces: [completion] },
    ratePerSecond: 200,
    connections: 16,
    latencyTo: "end",
  },
];

/** The body that a user sends. */
export const bodyOf = ({ body, variesAt }: Pick<Workload, "body" | "variesAt">, user: number): Buffer => {
  if (variesAt === undefined) return body;
  const own = Buffer.from(body);
  own.write(String(user % USERS).padStart(2, "0"), variesAt);
  return own;
};

/** The text of a body of any user as that of the first. */
export const withoutUser = (text: string): string => text.replace(/(?<="Document )\d\d/, "00");

/** Whether a body is that of some user of the workload. */
export const isBodyOf = (
  { body, variesAt = body.length }: Pick<Workload, "body" | "variesAt">,
  given: Buffer,
): boolean =>
  given.length === body.length &&
  given.subarray(0, variesAt).equals(body.subarray(0, variesAt)) &&
  given.subarray(variesAt + 2).equals(body.subarray(variesAt + 2));

/** The fields of a request, as the OpenAI client for Python sends them, and a session id. */
export const requestHeaders = (user: number): Readonly<Record<string, string>> => ({
  accept: "application/json",
  authorization: "Bearer sk-benchmark-0123456789abcdef",
  "content-type": "application/json",
  "user-agent": "OpenAI/Python 1.99.1",
  "x-user-id": `user-${user % USERS}`,
});

/** A request as it goes over a connection. */
export const requestBytes = (body: Buffer, host: string, user: number): Buffer => {
  const fields = { host, ...requestHeaders(user), "content-length": String(body.length) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${PATH} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
};

/** All bytes of an answer's body. */
export const answerBody = ({ pieces }: CannedAnswer): Buffer => Buffer.concat(pieces);
