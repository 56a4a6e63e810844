import { describe, expect, test } from "bun:test";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { createManualClock } from "./manual-clock.ts";
import { defects, eventsOf, post, read, startEngine } from "./started.ts";

const ask = { prompt: "hello", max_tokens: 2 };

describe("models", () => {
  const card = (id: string, root: string, parent: string | null, max_model_len: number | null) => ({
    id,
    object: "model",
    created: expect.any(Number),
    owned_by: "vllm",
    root,
    parent,
    max_model_len,
    permission: [
      {
        id: expect.stringMatching(/^modelperm-[0-9a-f]{32}$/),
        object: "model_permission",
        created: expect.any(Number),
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: true,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: "*",
        group: null,
        is_blocking: false,
      },
    ],
  });

  test("every name is listed and served, and answers carry the first", async () => {
    await using engine = startEngine({ servedModelName: ["a", "org/b:1"], maxModelLen: 1000 });
    expect(await read(await fetch(`${engine.url}/v1/models`))).toEqual({
      status: 200,
      body: { object: "list", data: [card("a", "a", null, 1000), card("org/b:1", "a", null, 1000)] },
    });
    for (const model of ["a", "org/b:1", null, undefined]) {
      const { body } = await read(await post(engine, "/v1/completions", { ...ask, model }));
      expect(body).toMatchObject({ model: "a" });
    }
  });

  test("adapters come and go, and do not share cached prefixes with their base", async () => {
    await using engine = startEngine();
    const load = async (route: string, body: object) => {
      const response = await post(engine, `/v1/${route}_lora_adapter`, body);
      return [response.status, await response.text()] as const;
    };
    const adapter = { lora_name: "sql", lora_path: "/adapters/sql" };
    expect(await load("load", adapter)).toEqual([200, "Success: LoRA adapter 'sql' added successfully."]);
    expect(await load("load", adapter)).toEqual([400, expect.stringContaining("InvalidUserInput")]);
    expect((await load("load", { ...adapter, load_inplace: true }))[0]).toBe(200);
    expect((await load("load", { lora_name: "x" }))[0]).toBe(400);
    const { body } = await read(await fetch(`${engine.url}/v1/models`));
    expect((body as { data: unknown[] }).data[1]).toEqual(card("sql", "/adapters/sql", "mock-model", null));

    const prompt = "word ".repeat(40);
    const cached = async (model: string): Promise<unknown> =>
      (await read(await post(engine, "/v1/completions", { ...ask, prompt, model }))).body;
    const details = (cached_tokens: number) => ({ usage: { prompt_tokens_details: { cached_tokens } } });
    expect(await cached("mock-model")).toMatchObject(details(0));
    expect(await cached("sql")).toMatchObject({ model: "sql", ...details(0) });
    expect(await cached("sql")).toMatchObject(details(32));

    expect((await load("unload", adapter))[0]).toBe(200);
    expect(await load("unload", adapter)).toEqual([404, expect.stringContaining("cannot be found")]);
    expect((await load("unload", {}))[0]).toBe(400);
    expect((await post(engine, "/v1/completions", { ...ask, model: "sql" })).status).toBe(404);
  });
});

describe("what every request passes", () => {
  test("a key guards /v1 and nothing else", async () => {
    await using engine = startEngine({ apiKey: "secret" });
    const refused = { status: 401, body: { error: "Unauthorized" } };
    expect(await read(await fetch(`${engine.url}/v1/models`))).toEqual(refused);
    expect(await read(await post(engine, "/v1/completions", ask, { authorization: "Bearer wrong" }))).toEqual(
      refused,
    );
    expect((await post(engine, "/v1/completions", ask, { authorization: "Bearer secret" })).status).toBe(200);
    for (const path of ["/health", "/metrics", "/version", "/load", "/ping", "/is_sleeping"]) {
      expect((await fetch(engine.url + path)).status).toBe(200);
    }
  });

  test("unknown paths and methods are answered as FastAPI does", async () => {
    await using engine = startEngine();
    expect(await read(await fetch(`${engine.url}/nope`))).toEqual({
      status: 404,
      body: { detail: "Not Found" },
    });
    const wrong = await fetch(`${engine.url}/v1/completions`);
    expect([wrong.status, wrong.headers.get("allow"), await wrong.json()]).toEqual([
      405,
      "POST",
      { detail: "Method Not Allowed" },
    ]);
    const head = await fetch(`${engine.url}/health`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([405, ""]);
  });

  test("request ids are returned only when that is asked for", async () => {
    await using plain = startEngine();
    const id = { "x-request-id": "mine" };
    expect((await fetch(`${plain.url}/health`, { headers: id })).headers.has("x-request-id")).toBe(false);
    await using engine = startEngine({ enableRequestIdHeaders: true });
    const response = await post(engine, "/v1/completions", { ...ask, stream: true }, id);
    expect(response.headers.get("x-request-id")).toBe("mine");
    expect((await fetch(`${engine.url}/nope`)).headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
  });

  test("bytes that are not HTTP are answered as uvicorn does", async () => {
    await using engine = startEngine();
    using client = sendRaw(engine.port, "hello\r\n\r\n");
    const text = await client.closed();
    expect(text).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    expect(text).toEndWith("\r\n\r\nInvalid HTTP request received.");
  });

  test("requests in one packet are answered in order on one connection", async () => {
    await using engine = startEngine();
    const get = (path: string, ...headers: string[]) =>
      ["GET", path, "HTTP/1.1\r\nHost: e\r\n"].join(" ") + headers.join("") + "\r\n";
    const requests = get("/version") + rawPost("/v1/completions", JSON.stringify({ ...ask, stream: true }));
    using client = sendRaw(engine.port, requests + get("/is_sleeping", "Connection: close\r\n"));
    const text = await client.closed();
    expect(text).toMatch(/"version".*text_completion.*\[DONE\].*connection: close.*"is_sleeping":false/s);
  });

  test("a client that expects 100 Continue is told to go on", async () => {
    await using engine = startEngine();
    const body = JSON.stringify(ask);
    const whole = rawPost("/v1/completions", body, ["Expect: 100-continue"]);
    using client = sendRaw(engine.port, whole.slice(0, -body.length));
    await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    client.socket.write(body);
    await client.until(/200 OK.*text_completion/s);
  });

  test("an idle connection is closed after its time, a busy one is not", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1, keepAliveSeconds: 5 }, clock);
    const stream = { ...ask, stream: true, max_tokens: 10_000, ignore_eos: true };
    using busy = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify(stream)));
    using idle = sendRaw(engine.port, "GET /health HTTP/1.1\r\nHost: e\r\n\r\n");
    await idle.until(/200 OK/);
    await busy.until(/200 OK/);
    await clock.advance(4000);
    expect(engine.state().connections).toBe(2);
    await clock.advance(3000);
    await idle.closed();
    expect(engine.state()).toMatchObject({ connections: 1, running: 1 });
  });
});

test("streams say what whole answers say, through every route, and no defect is reported", async () => {
  await using engine = startEngine();
  const chat = { messages: [{ role: "user", content: "hi" }], stream: true, max_tokens: 3 };
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    const events = eventsOf(await (await post(engine, path, { ...chat, model: "mock-model" })).text());
    expect(events.length).toBeGreaterThan(4);
  }
  expect(defects).toEqual([]);
});
