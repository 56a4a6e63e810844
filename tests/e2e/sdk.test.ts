import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI, { APIUserAbortError, NotFoundError, toFile } from "openai";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

/** A name with the characters that names of models have. */
const OTHER = "org/other:8b";

/** Two engines alike: what one answers through the router, the other must answer without it. */
let engine: EngineProcess;
let twin: EngineProcess;
let other: EngineProcess;
let router: RunningProcess;
let client: OpenAI;
let direct: OpenAI;
const running = new AsyncDisposableStack();

beforeAll(async () => {
  const llama = ["--served-model-name=llama", "--seed=7", "--time-scale=4"];
  [engine, twin, other] = await Promise.all([
    startEngineProcess(llama),
    startEngineProcess(llama),
    startEngineProcess([`--served-model-name=${OTHER}`, "--seed=8", "--time-scale=4"]),
  ]);
  const backends = staticArgs([
    ["llama", engine.url],
    [OTHER, other.url],
  ]);
  router = await startRouterProcess([
    ...backends,
    "--routing-logic=roundrobin",
    `--static-aliases=fast:llama,smart:${OTHER}`,
  ]);
  for (const process of [engine, twin, other, router]) running.use(process);
  const options = { apiKey: "unused", maxRetries: 0 };
  client = new OpenAI({ ...options, baseURL: `${router.url}/v1` });
  direct = new OpenAI({ ...options, baseURL: `${twin.url}/v1` });
}, 60_000);

afterAll(async () => running.disposeAsync());

let ids = 0;

/** What the router and the twin answer to the same call under the same id, without what time and chance put in. */
const both = async <T>(call: (sdk: OpenAI, options: OpenAI.RequestOptions) => PromiseLike<T>) => {
  ids += 1;
  const options = { headers: { "x-request-id": `sdk-${ids}` } };
  const answers = await Promise.all([call(client, options), call(direct, options)]);
  const plain = answers.map((answer) => JSON.parse(JSON.stringify(answer), forget) as unknown);
  return { routed: answers[0], plain: { routed: plain[0], direct: plain[1] } };
};

const forget = (key: string, value: unknown): unknown =>
  key === "created" || key === "created_at" || (typeof value === "string" && /^(?:msg|resp)_/.test(value))
    ? undefined
    : value;

const gather = async <T>(stream: AsyncIterable<T>): Promise<readonly T[]> => Array.fromAsync(stream);

/** Asks again and again; the test's own time limit ends what never comes true. */
const until = async (isTrue: () => Promise<boolean>): Promise<void> => {
  while (!(await isTrue()));
};

const hello = [{ role: "user", content: "Say hello to the sea" }] as const;
const chat = { model: "llama", messages: [...hello] };

describe("the SDK gets from the router what it gets from an engine", () => {
  test("chat", async () => {
    const { routed, plain } = await both((sdk, options) => sdk.chat.completions.create(chat, options));
    expect(plain.routed).toEqual(plain.direct);
    expect(routed.choices[0]?.message.content?.length).toBeGreaterThan(10);
    expect(routed.usage?.prompt_tokens).toBeGreaterThan(5);
  });

  test("chat as a stream: every chunk, in its place", async () => {
    const params = { ...chat, stream: true, stream_options: { include_usage: true } } as const;
    const { routed, plain } = await both(async (sdk, options) =>
      gather(await sdk.chat.completions.create(params, options)),
    );
    expect(plain.routed).toEqual(plain.direct);
    expect(routed.length).toBeGreaterThan(8);
    expect(routed[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(routed.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(routed.at(-1)?.usage?.completion_tokens).toBeGreaterThan(5);
  });

  test("completions, whole and as a stream", async () => {
    const params = { model: "llama", prompt: "The sea is", max_tokens: 12 };
    const whole = await both((sdk, options) => sdk.completions.create(params, options));
    expect(whole.plain.routed).toEqual(whole.plain.direct);
    const streamed = await both(async (sdk, options) =>
      gather(await sdk.completions.create({ ...params, stream: true }, options)),
    );
    expect(streamed.plain.routed).toEqual(streamed.plain.direct);
    const text = streamed.routed.map(({ choices }) => choices[0]?.text).join("");
    expect(text).toBe(whole.routed.choices[0]?.text ?? "");
  });

  test("embeddings, which the SDK asks for in base64", async () => {
    const params = { model: "llama", input: ["one", "two"] };
    const { routed, plain } = await both((sdk, options) => sdk.embeddings.create(params, options));
    expect(plain.routed).toEqual(plain.direct);
    expect(routed.data.map(({ embedding }) => embedding.length > 10)).toEqual([true, true]);
    expect(routed.data[0]?.embedding).not.toEqual(routed.data[1]?.embedding ?? []);
  });

  test("responses, whole and as a stream of events", async () => {
    const params = { model: "llama", input: "Say hello to the sea" };
    const whole = await both((sdk, options) => sdk.responses.create(params, options));
    expect(whole.plain.routed).toEqual(whole.plain.direct);
    const streamed = await both(async (sdk, options) =>
      gather(await sdk.responses.create({ ...params, stream: true }, options)),
    );
    expect(streamed.plain.routed).toEqual(streamed.plain.direct);
    const deltas = streamed.routed.flatMap((event) =>
      event.type === "response.output_text.delta" ? [event.delta] : [],
    );
    expect(deltas.length).toBeGreaterThan(5);
    expect(deltas.join("")).toBe(whole.routed.output_text);
  });

  test("a transcription: the sound arrives as it was sent", async () => {
    const sound = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 31) % 256));
    const { routed, plain } = await both(async (sdk, options) => {
      const file = await toFile(sound, "sea.wav");
      return sdk.audio.transcriptions.create({ model: "llama", file }, options);
    });
    expect(plain.routed).toEqual(plain.direct);
    expect(routed.text.length).toBeGreaterThan(10);
  });

  test("messages in Anthropic's form", async () => {
    const headers = { "content-type": "application/json", "x-request-id": "messages", "x-api-key": "unused" };
    const body = JSON.stringify({ model: "llama", max_tokens: 12, stream: true, messages: hello });
    const ask = async (url: string) => {
      const answer = await fetch(`${url}/v1/messages`, { method: "POST", headers, body });
      return [answer.status, answer.headers.get("content-type"), await answer.text()];
    };
    const routed = await ask(router.url);
    expect(routed).toEqual(await ask(twin.url));
    expect(routed[2]).toContain("event: content_block_delta\n");
  });
});

describe("models", () => {
  test("are listed, with the aliases", async () => {
    const models = await gather(client.models.list());
    expect(models.map(({ id }) => id).sort()).toEqual(["fast", "llama", OTHER, "smart"].sort());
  });

  test("an alias is answered by the engine of its model", async () => {
    const { received } = await other.state();
    const answer = await client.chat.completions.create({ ...chat, model: "smart" });
    expect(answer.model).toBe(OTHER);
    expect((await other.state()).received).toBe(received + 1);
  });

  test("one that nobody serves is the SDK's NotFoundError, with the id of the request", async () => {
    const failure = client.chat.completions.create({ ...chat, model: "none" });
    const error = await failure.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof NotFoundError))
      throw new Error("the SDK did not fail with NotFoundError", { cause: error });
    expect(error.status).toBe(404);
    expect(error.message).toContain("Model 'none' not found");
    expect(error.requestID).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test("an abort in mid-stream ends the engine's work within 100 ms", async () => {
  const delays: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { aborted } = await engine.state();
    const params = { ...chat, max_tokens: 4000, stream: true } as const;
    const stream = await client.chat.completions.create({ ...params, ignore_eos: true } as typeof params);
    let chunks = 0;
    let abortedAt = 0;
    for await (const _chunk of stream) {
      chunks += 1;
      if (chunks < 5) continue;
      abortedAt = performance.now();
      stream.controller.abort();
      break;
    }
    await until(async () => (await engine.state()).aborted > aborted);
    delays.push(performance.now() - abortedAt);
  }
  const median = delays.sort((left, right) => left - right)[2] ?? Infinity;
  console.info(`abort to the engine: ${median.toFixed(1)} ms, at most ${delays.at(-1)?.toFixed(1)} ms`);
  expect(median).toBeLessThan(100);
  expect((await engine.state()).running).toBe(0);
});

test("an abort before the first byte ends it too", async () => {
  const before = await engine.state();
  const control = new AbortController();
  // 30,000 tokens of prompt take the engine about a second.
  const messages = [{ role: "user", content: "word ".repeat(30_000) }] as const;
  const answer = client.chat.completions.create(
    { model: "llama", messages: [...messages], max_tokens: 1 },
    { signal: control.signal },
  );
  const outcome = answer.then(
    () => "answered",
    (error: unknown) => (error instanceof APIUserAbortError ? "aborted" : error),
  );
  await until(async () => (await engine.state()).running > 0);
  control.abort();
  expect(await outcome).toBe("aborted");
  await until(async () => (await engine.state()).running === 0);
  expect((await engine.state()).aborted).toBe(before.aborted + 1);
});

describe("sleep and wake by engine id, in static mode", () => {
  interface EngineCard {
    readonly engine_id: string;
    readonly serving_models: readonly string[];
  }

  const ask = async (method: "GET" | "POST", path: string) => {
    const answer = await fetch(router.url + path, { method });
    return { status: answer.status, body: await answer.json() };
  };

  test("an engine that sleeps gets no requests, and answers again when it is woken", async () => {
    const { body } = await ask("GET", "/engines");
    const card = (body as readonly EngineCard[]).find(({ serving_models: models }) =>
      models.includes("llama"),
    );
    const id = card?.engine_id ?? "";
    expect(await ask("GET", `/is_sleeping?id=${id}`)).toEqual({ status: 200, body: { is_sleeping: false } });

    expect(await ask("POST", `/sleep?id=${id}&level=1`)).toEqual({
      status: 200,
      body: { status: "success" },
    });
    expect(await ask("GET", `/is_sleeping?id=${id}`)).toEqual({ status: 200, body: { is_sleeping: true } });
    const slept = await engine.state();
    expect(slept.requests.at(-2)?.target).toBe("/sleep?level=1");
    const refused = await client.chat.completions.create(chat).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 503 });
    expect((await engine.state()).received).toBe(slept.received);
    // The other engine is not concerned.
    expect((await client.chat.completions.create({ ...chat, model: OTHER })).model).toBe(OTHER);

    expect(await ask("POST", `/wake_up?id=${id}`)).toEqual({ status: 200, body: { status: "success" } });
    expect((await client.chat.completions.create(chat)).model).toBe("llama");
  });

  test("an id that no engine has is a 400", async () => {
    expect((await ask("POST", "/sleep?id=nobody")).status).toBe(400);
  });
});
