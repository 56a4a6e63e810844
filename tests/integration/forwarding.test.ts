import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

const chat = (body: unknown, headers: Record<string, string> = {}) => ({
  method: "POST",
  body: typeof body === "string" ? body : JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
});

const echo = () => startRawEngine((socket, { body }) => socket.write(rawAnswer(body)));

describe("what the engine gets", () => {
  test("is the client's bytes, whatever their spacing, order, escapes and unknown fields", async () => {
    await using engine = await echo();
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const body = `{ "x-unknown" : 1e3,\n"messages":[],"model"\t:"m","u":"\\u00e9é" , "n": 12345678901234567890}`;
    const response = await fetch(`${router.url}/v1/chat/completions`, chat(body));
    expect(await response.text()).toBe(body);
    expect(engine.requests[0]?.body.toString()).toBe(body);
  });

  test("has the alias spliced in and nothing else changed, on JSON and on multipart", async () => {
    await using engine = await echo();
    await using router = startRouter({
      backends: [{ url: engine.url, models: ["org/model:7b"] }],
      aliases: { gpt4: "org/model:7b" },
    });
    await fetch(
      `${router.url}/v1/completions`,
      chat(`{"a":{"model":"gpt4"},  "model" : "gpt4" ,"b":"model"}`),
    );
    expect(engine.requests[0]?.body.toString()).toBe(
      `{"a":{"model":"gpt4"},  "model" : "org/model:7b" ,"b":"model"}`,
    );

    const form = new FormData();
    form.set("model", "gpt4");
    form.set("file", new Blob([new Uint8Array([0, 255, 13, 10, 45, 45])]), "a.wav");
    await fetch(`${router.url}/v1/audio/transcriptions`, { method: "POST", body: form });
    const head = engine.requests[1]?.head ?? "";
    const received = await new Response(engine.requests[1]?.body, {
      headers: { "content-type": /content-type: (.*)/i.exec(head)?.[1] ?? "" },
    }).formData();
    expect(received.get("model")).toBe("org/model:7b");
    const file = received.get("file");
    expect(file instanceof Blob && [...(await file.bytes())]).toEqual([0, 255, 13, 10, 45, 45]);
  });

  test("is a rebuilt request: end-to-end fields pass, the connection's do not, the framing is ours", async () => {
    await using engine = await echo();
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const body = '{"model":"m"}';
    using client = sendRaw(
      router.port,
      rawPost("/v1/completions?trace=1&id2=x", body, [
        "Authorization: Bearer secret",
        "X-Custom: kept",
        "Accept-Encoding: br",
        "Connection: keep-alive, X-Hop",
        "X-Hop: dropped",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Upgrade: h2c",
        "Proxy-Authorization: Basic eA==",
        "X-Request-Id: mine-1",
      ]),
    );
    await client.until(/\r\n\r\n\{/);
    const lines = (engine.requests[0]?.head ?? "").toLowerCase().split("\r\n");
    expect(lines[0]).toBe("post /v1/completions?trace=1&id2=x http/1.1");
    expect(lines).toContain("authorization: bearer secret");
    expect(lines).toContain("x-custom: kept");
    expect(lines).toContain("accept-encoding: br");
    expect(lines).toContain("x-request-id: mine-1");
    expect(lines).toContain(`host: 127.0.0.1:${engine.port}`);
    expect(lines.filter((line) => line.startsWith("content-length:"))).toEqual([
      `content-length: ${body.length}`,
    ]);
    for (const field of [
      "x-hop",
      "keep-alive",
      "te",
      "upgrade",
      "proxy-authorization",
      "transfer-encoding",
    ]) {
      expect(lines.filter((line) => line.startsWith(`${field}:`))).toEqual([]);
    }
    expect(client.text()).toContain("x-request-id: mine-1");
  });

  test("keeps the path of a base url and drops only the router's own ?id=", async () => {
    await using engine = await echo();
    await using router = startRouter({ backends: [{ url: `${engine.url}/prefix`, models: ["m"] }] });
    const engines = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
    await fetch(`${router.url}/v1/embeddings?a=%20b&id=${engines[0]?.engine_id}&c`, chat({ model: "m" }));
    expect(engine.requests[0]?.head).toStartWith("POST /prefix/v1/embeddings?a=%20b&c HTTP/1.1");
  });
});

describe("what the client gets", () => {
  test.each([
    [
      "an error of the engine",
      rawAnswer('{"error":{"message":"no"}}', { "retry-after": "7" }, "429 Too Many Requests"),
    ],
    ["an unknown status", rawAnswer("short", { "content-type": "text/plain" }, "418 I'm a teapot")],
    [
      "binary bytes",
      rawAnswer(new Uint8Array(Array.from({ length: 256 }, (_, index) => index)), {
        "content-type": "audio/wav",
      }),
    ],
    ["gzip", rawAnswer(gzipSync("hello ".repeat(100)), { "content-encoding": "gzip" })],
    ["a body beyond the limit for taking it whole", rawAnswer("z".repeat(700_000))],
    ["an empty body", rawAnswer("")],
  ])("%s: status, end-to-end fields and bytes unchanged", async (_what, answer) => {
    await using engine = await startRawEngine((socket) => socket.write(answer));
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    using client = sendRaw(router.port, rawPost("/v1/completions", '{"model":"m"}', ["Connection: close"]));
    const received = await client.closed();
    const [head = "", ...rest] = received.split("\r\n\r\n");
    const body = rest.join("\r\n\r\n");
    const sent = answer.toString("latin1");
    const sentHead = sent.slice(0, sent.indexOf("\r\n\r\n"));
    expect(head.split("\r\n")[0]?.split(" ")[1]).toBe(sentHead.split(" ")[1] ?? "");
    for (const line of sentHead.split("\r\n").slice(1)) {
      if (!/^content-length/i.test(line)) expect(head.toLowerCase()).toContain(line.toLowerCase());
    }
    const sentBody = sent.slice(sentHead.length + 4);
    expect(/transfer-encoding: chunked/i.test(head) ? dechunk(body) : body).toBe(sentBody);
  });

  test("hop-by-hop and server fields stay behind, and there is exactly one Date", async () => {
    await using engine = await startRawEngine((socket) =>
      socket.write(
        rawAnswer("{}", {
          date: "Mon, 01 Jan 2024 00:00:00 GMT",
          server: "uvicorn",
          connection: "keep-alive, x-hop",
          "x-hop": "1",
          "keep-alive": "timeout=5",
          "x-kept": "yes",
        }),
      ),
    );
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    using client = sendRaw(router.port, rawPost("/v1/completions", '{"model":"m"}'));
    const head = (await client.until(/\r\n\r\n\{\}/)).toLowerCase();
    expect(head).toContain("x-kept: yes");
    expect(head).not.toMatch(/^(server|x-hop|keep-alive):/m);
    expect(head.match(/^date:/gm)).toHaveLength(1);
  });

  test("stream chunks as they come, not at the end", async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>();
    await using engine = await startRawEngine((socket) => {
      socket.write(STREAM_HEAD + rawChunk("data: 1\n\n"));
      void go.then(() => socket.write(`${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`));
    });
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const response = await fetch(`${router.url}/v1/completions`, chat({ model: "m", stream: true }));
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? "").toString()).toBe("data: 1\n\n");
    resolve();
    expect(Buffer.from((await reader?.read())?.value ?? "").toString()).toBe("data: [DONE]\n\n");
    expect((await reader?.read())?.done).toBe(true);
  });

  test("a redirect of an engine is never followed and becomes a 502 without its address", async () => {
    await using trap = await echo();
    await using engine = await startRawEngine((socket) =>
      socket.write(rawAnswer("", { location: `${trap.url}/x` }, "307 Temporary Redirect")),
    );
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const response = await fetch(`${router.url}/v1/completions`, chat({ model: "m" }));
    expect(response.status).toBe(502);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ error: { type: "upstream_error", code: "upstream_invalid" } });
    expect(body).not.toContain("127.0.0.1");
    expect(trap.requests).toEqual([]);
  });
});

describe("requests that cannot be routed", () => {
  const cases: [string, string | Uint8Array<ArrayBuffer>, number, string][] = [
    ["truncated JSON", '{"model":', 400, "Invalid request: request body must be valid JSON."],
    [
      "a 0xff byte",
      new Uint8Array([0x7b, 0xff, 0x7d]),
      400,
      "Invalid request: request body must be valid JSON.",
    ],
    [
      "nesting 2000 deep",
      `{"model":"m","x":${"[".repeat(2000)}${"]".repeat(2000)}}`,
      400,
      "Invalid request: request body must be valid JSON.",
    ],
    ["an array", "[]", 400, "Invalid request: request body must be a JSON object."],
    ["no body", "", 400, "Invalid request: missing 'model' in request body."],
    ["a null model", '{"model":null}', 400, "Invalid request: missing 'model' in request body."],
    ["a model list", '{"model":["m"]}', 400, "Invalid request: 'model' must be a string."],
    [
      "an unknown model",
      '{"model":"other"}',
      404,
      "Model 'other' not found. Available models can be listed at /v1/models.",
    ],
  ];
  test.each(cases)("%s", async (_what, body, status, message) => {
    await using engine = await echo();
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const response = await fetch(`${router.url}/v1/chat/completions`, { method: "POST", body });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: message });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(engine.requests).toEqual([]);
  });

  test("a body over the limit is a 413 that names the option, for both framings", async () => {
    await using engine = await echo();
    await using router = startRouter({
      backends: [{ url: engine.url, models: ["m"] }],
      maxRequestBodyBytes: 1000,
    });
    const body = JSON.stringify({ model: "m", prompt: "x".repeat(2000) });
    const known = await fetch(`${router.url}/v1/completions`, chat(body));
    expect(known.status).toBe(413);
    expect(await known.text()).toContain("--max-request-body-bytes");
    using client = sendRaw(
      router.port,
      `POST /v1/completions HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n${rawChunk(body)}0\r\n\r\n`,
    );
    expect(await client.until(/HTTP\/1.1 \d+/)).toStartWith("HTTP/1.1 413");
    expect(engine.requests).toEqual([]);
  });

  test.each(["a?", "a b", "u:p@x", "[::1", "", "a, b"])(
    "Host %p is refused before any route",
    async (host) => {
      await using engine = await echo();
      await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
      using client = sendRaw(
        router.port,
        `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(await client.closed()).toStartWith("HTTP/1.1 400");
    },
  );
});

const dechunk = (body: string): string => {
  let rest = body;
  let text = "";
  for (;;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return text;
    text += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 4 + size);
  }
};
