import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { version } from "../../src/version.ts";
import { type RawEngine, rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { sendRaw } from "../support/raw-client.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

let engine: RawEngine;
let router: TestRouter;

beforeAll(async () => {
  // Answers with the request line that it got.
  engine = await startRawEngine((socket, { head }) => socket.write(rawAnswer(head.split("\r\n")[0] ?? "")));
  router = startRouter({ backends: [{ url: engine.url, models: ["m", "n"] }], aliases: { gpt4: "m" } });
});

afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  /** Header lines in lower case. */
  readonly head: string;
  readonly body: string;
}

/** Sends a request line as it is, with a body that names a model. */
const send = async (line: string): Promise<Answer> => {
  const body = line.startsWith("GET") || line.startsWith("HEAD") ? "" : '{"model":"m"}';
  const head = `${line}\r\nHost: router\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  using client = sendRaw(router.port, head + body);
  const received = await client.closed();
  const end = received.indexOf("\r\n\r\n");
  return {
    status: Number(received.split(" ")[1]),
    head: received.slice(0, end).toLowerCase(),
    body: received.slice(end + 4),
  };
};

describe("a path that no route has", () => {
  test.each([
    "/",
    "/nope",
    "/V1/models",
    "/v1",
    "/v1/",
    "//v1/models",
    "/v1//models",
    "/metrics/x",
    "/health/x",
  ])("GET %s is 404 in the reference's words", async (path) => {
    const { status, body, head } = await send(`GET ${path} HTTP/1.1`);
    expect([status, body]).toEqual([404, '{"detail":"Not Found"}']);
    expect(head).toContain("x-request-id: ");
  });

  test.each([
    "/collective_rpc",
    "/reset_prefix_cache",
    "/load_lora_adapter",
    "/v1/load_lora_adapter",
    "/v1/%6coad_lora_adapter",
    "/v1/x/../load_lora_adapter",
    "/v1/foo%2fbar",
    "/v1/%252e%252e/sleep",
    "/v1/foo/",
    "/v1/foo;x",
  ])("POST %s reaches no engine", async (path) => {
    const before = engine.requests.length;
    expect((await send(`POST ${path} HTTP/1.1`)).status).toBe(404);
    expect(engine.requests).toHaveLength(before);
  });
});

describe("a method that its path does not have", () => {
  test.each([
    ["POST /v1/models", "GET"],
    ["POST /engines", "GET"],
    ["POST /health", "GET"],
    ["POST /version", "GET"],
    ["POST /v1/audio/voices", "GET"],
    ["GET /v1/chat/completions", "POST"],
    ["GET /tokenize", "POST"],
    ["OPTIONS /v1/chat/completions", "POST"],
    ["OPTIONS /v1/models", "GET"],
    ["HEAD /v1/chat/completions", "POST"],
    ["HEAD /v1/audio/voices?model=m", "GET"],
    ["HEAD /v1/something/else", "GET, POST"],
    ["OPTIONS /v1/something/else", "GET, POST"],
  ])("%s is 405 and told %s, and reaches no engine", async (line, allowed) => {
    const before = engine.requests.length;
    const { status, head, body } = await send(`${line} HTTP/1.1`);
    expect([status, body]).toEqual([405, line.startsWith("HEAD") ? "" : '{"detail":"Method Not Allowed"}']);
    expect(head).toContain(`\r\nallow: ${allowed.toLowerCase()}\r\n`);
    expect(head).toContain("x-request-id: ");
    expect(engine.requests).toHaveLength(before);
  });
});

describe("a path with a slash too many at its end", () => {
  test.each([
    ["GET /v1/models/", "/v1/models"],
    ["POST /v1/chat/completions/", "/v1/chat/completions"],
    ["POST /v1/chat/completions/?a=1&b=%20", "/v1/chat/completions?a=1&b=%20"],
    ["GET /health/", "/health"],
  ])("%s is sent to %s", async (line, location) => {
    const { status, head, body } = await send(`${line} HTTP/1.1`);
    expect([status, body]).toEqual([307, ""]);
    expect(head).toContain(`\r\nlocation: ${location}\r\n`);
    expect(head).toContain("x-request-id: ");
  });
});

describe("a path that is written in another way", () => {
  test.each([
    "/v1/completions?x=1",
    "/x/../v1/completions?x=1",
    "/v1/./completions?x=1",
    "/v1/%63ompletions?x=1",
    "/x\\..\\v1\\completions?x=1",
    "http://other/v1/completions?x=1",
  ])("%s reaches the engine as its canonical form", async (path) => {
    expect(await send(`POST ${path} HTTP/1.1`)).toMatchObject({
      status: 200,
      body: "POST /v1/completions?x=1 HTTP/1.1",
    });
  });
});

describe("a path below /v1 that is in no table", () => {
  test("passes to an engine by the model of its body or its query", async () => {
    expect((await send("POST /v1/responses/resp_1/cancel?x HTTP/1.1")).body).toBe(
      "POST /v1/responses/resp_1/cancel?x HTTP/1.1",
    );
    expect((await send("GET /v1/responses/resp_1?model=n HTTP/1.1")).body).toBe(
      "GET /v1/responses/resp_1?model=n HTTP/1.1",
    );
  });

  test("is refused where neither says which of several models is meant", async () => {
    const { status, body } = await send("GET /v1/responses/resp_1 HTTP/1.1");
    expect([status, body]).toEqual([
      400,
      '{"error":"Invalid request: missing \'model\' in the query (?model=<name>)."}',
    ]);
  });
});

describe("local answers", () => {
  const get = async (path: string): Promise<unknown> => (await fetch(router.url + path)).json();

  test("are those of the reference", async () => {
    expect(await get("/health")).toEqual({ status: "healthy", endpoints: { total: 1, healthy: 1 } });
    expect(await get("/version")).toEqual({ version });
    expect(await get("/engines")).toEqual([
      {
        engine_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        serving_models: ["m", "n"],
        created: expect.any(Number),
      },
    ]);
    const { data } = (await get("/v1/models")) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(["m", "n", "gpt4"]);
  });

  test("carry the request id of their client", async () => {
    const response = await fetch(`${router.url}/health`, { headers: { "x-request-id": "r-1" } });
    expect(response.headers.get("x-request-id")).toBe("r-1");
  });
});
