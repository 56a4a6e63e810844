import { describe, expect, test } from "bun:test";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

const body = '{"model":"m","stream":true}';
const request = rawPost("/v1/completions", body);

/** Milliseconds between the client leaving and the engine's connection closing. */
const FREED_WITHIN_MS = 100;

describe("a client that leaves frees its engine", () => {
  const phases: [string, (write: (text: string) => void) => void, RegExp | undefined][] = [
    ["before the head of the answer", () => {}, undefined],
    ["after the head, before the first chunk", (write) => write(STREAM_HEAD), undefined],
    ["in the middle of a stream", (write) => write(STREAM_HEAD + rawChunk("data: 1\n\n")), /data: 1/],
    [
      "while a body of known length is on its way",
      (write) => write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"),
      undefined,
    ],
  ];
  const departures: [
    string,
    (socket: { destroy: () => void; resetAndDestroy: () => void; end: () => void }) => void,
  ][] = [
    ["closing", (socket) => socket.destroy()],
    ["a reset", (socket) => socket.resetAndDestroy()],
    ["a half-close", (socket) => socket.end()],
  ];
  const cases = phases.flatMap((phase) =>
    departures.map((departure) => [phase[0], departure[0], phase, departure] as const),
  );

  test.each(cases)("%s, by %s", async (_phase, _departure, [, answer, seen], [, leave]) => {
    await using engine = await startRawEngine((socket) => answer((text) => socket.write(text)));
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    using client = sendRaw(router.port, request);
    await engine.received(1);
    if (seen) await client.until(seen);
    const left = performance.now();
    leave(client.socket);
    expect((await engine.closed()) - left).toBeLessThan(FREED_WITHIN_MS);
    expect(engine.requests).toHaveLength(1);
  });
});

test("a client that reads slowly slows its engine and costs bounded memory", async () => {
  const chunk = rawChunk("x".repeat(64 * 1024));
  let sent = 0;
  await using engine = await startRawEngine((socket) => {
    socket.write(STREAM_HEAD);
    const pump = (): void => {
      while (sent < 200 * 1024 * 1024 && !socket.destroyed) {
        sent += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on("drain", pump);
    pump();
  });
  await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
  using client = sendRaw(router.port, request);
  await client.until(/HTTP\/1.1 200/);
  client.socket.pause();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await Bun.sleep(200);
  }
  // What the kernel's buffers on four sockets hold, and a few chunks of ours.
  expect(sent).toBeLessThan(32 * 1024 * 1024);
});

describe("an engine that fails before its first byte", () => {
  const dies: [
    string,
    (socket: { destroy: () => void; write: (text: string) => void; end: () => void }) => void,
  ][] = [
    ["resets", (socket) => socket.destroy()],
    ["closes without an answer", (socket) => socket.end()],
    ["sends the head of a stream and dies", (socket) => (socket.write(STREAM_HEAD), socket.end())],
    [
      "cuts a short body",
      (socket) => (socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), socket.end()),
    ],
    ["sends something that is not HTTP", (socket) => (socket.write("\0\0garbage\r\n\r\n"), socket.end())],
  ];

  test.each(dies)("%s: with attempts left the client sees another engine's answer", async (_what, die) => {
    await using bad = await startRawEngine((socket) => die(socket));
    await using good = await startRawEngine((socket) => socket.write(rawAnswer('{"ok":true}')));
    await using router = startRouter({
      backends: [bad, good].map(({ url }) => ({ url, models: ["m"] })),
      maxReroutes: 1,
    });
    for (let turn = 0; turn < 2; turn += 1) {
      const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
      expect(await response.json()).toEqual({ ok: true });
    }
    expect(bad.requests.length).toBeGreaterThan(0);
  });

  test.each(dies)("%s: without attempts left it is a 502 in OpenAI's shape", async (_what, die) => {
    await using bad = await startRawEngine((socket) => die(socket));
    await using router = startRouter({ backends: [{ url: bad.url, models: ["m"] }] });
    const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { type: "upstream_error", param: null } });
  });

  test("an engine that refuses connections is a 503 that names a time, and its address stays inside", async () => {
    const engine = await startRawEngine(() => {});
    await engine[Symbol.asyncDispose]();
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
    expect(response.status).toBe(503);
    expect(["retry-after", "x-should-retry"].map((name) => response.headers.get(name))).toEqual([
      "5",
      "true",
    ]);
    expect(response.headers.get("x-request-id")).not.toBeNull();
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      error: { type: "service_unavailable_error", param: null, code: "upstream_unreachable" },
    });
    expect(text).not.toContain(String(engine.port));
  });

  test("what is not pure compute goes to no second engine once it was sent", async () => {
    await using bad = await startRawEngine((socket) => socket.destroy());
    await using other = await startRawEngine((socket) => socket.destroy());
    await using router = startRouter({
      backends: [bad, other].map(({ url }) => ({ url, models: ["m"] })),
      maxReroutes: 3,
    });
    const response = await fetch(`${router.url}/v1/responses`, { method: "POST", body });
    expect(response.status).toBe(502);
    expect(bad.requests.length + other.requests.length).toBe(1);
  });
});

describe("a pooled connection that the engine has closed meanwhile", () => {
  test.each<
    [string, (socket: { destroy: () => void; resetAndDestroy: () => void; end: () => void }) => void]
  >([
    ["by FIN", (socket) => socket.end()],
    ["by RST", (socket) => socket.resetAndDestroy()],
  ])("%s on the next request: the client sees its answer, over one more connection", async (_how, close) => {
    await using engine = await startRawEngine((socket, { onConnection }) => {
      if (onConnection === 1) socket.write(rawAnswer("{}"));
      else close(socket);
    });
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    for (let turn = 0; turn < 2; turn += 1) {
      const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
      expect([response.status, await response.text()]).toEqual([200, "{}"]);
    }
    expect(engine.connections()).toBe(2);
  });
});

describe("an engine that dies while its answer streams", () => {
  test.each<
    [string, (socket: { destroy: () => void; end: () => void; write: (text: string) => void }) => void]
  >([
    ["FIN", (socket) => socket.end()],
    ["RST", (socket) => socket.destroy()],
    ["a bad chunk", (socket) => socket.write("zz\r\n")],
  ])("%s: an error event and a cut connection, never [DONE] or a terminating chunk", async (_how, die) => {
    const { promise: go, resolve } = Promise.withResolvers<void>();
    await using engine = await startRawEngine((socket) => {
      socket.write(STREAM_HEAD + rawChunk('data: {"a":1}\n\n'));
      void go.then(() => die(socket));
    });
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    using client = sendRaw(router.port, request);
    await client.until(/"a":1/);
    resolve();
    const received = await client.closed();
    expect(received).toContain('data: {"error":{"message":');
    expect(received).not.toContain("[DONE]");
    expect(received).not.toEndWith("0\r\n\r\n");
    expect(router.lines.some((line) => line.includes("broke off while its answer streamed"))).toBe(true);
  });
});

test("long silence before the first token survives the server's idle limit", async () => {
  await using engine = await startRawEngine((socket) => {
    setTimeout(() => socket.write(rawAnswer("{}")), 7_000);
  });
  await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], idleTimeoutSeconds: 1 });
  const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
  expect(response.status).toBe(200);
}, 15_000);

test("after a streamed answer the idle limit holds again: a silent connection is closed", async () => {
  await using engine = await startRawEngine((socket) =>
    socket.write(`${STREAM_HEAD}${rawChunk("data: 1\n\ndata: [DONE]\n\n")}0\r\n\r\n`),
  );
  await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], idleTimeoutSeconds: 1 });
  using client = sendRaw(router.port, request);
  await client.until(/data: 1/);
  const begin = performance.now();
  await client.closed();
  expect(performance.now() - begin).toBeLessThan(10_000);
}, 15_000);
