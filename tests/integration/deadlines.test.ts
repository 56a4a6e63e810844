import { expect, test } from "bun:test";
import { connect } from "node:net";
import { engineReach } from "../../src/platform.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

const body = '{"model":"m","stream":true}';
const request = rawPost("/v1/completions", body);
const serving = (...engines: readonly { readonly url: string }[]) =>
  engines.map(({ url }) => ({ url, models: ["m"] }));

/** Sends two requests, one after the other, so that each engine is the first choice once; the time of the longer. */
const longestOfTwo = async (url: string): Promise<number> => {
  const times: number[] = [];
  for (let turn = 0; turn < 2; turn += 1) {
    const begin = performance.now();
    const response = await fetch(`${url}/v1/completions`, { method: "POST", body });
    expect(await response.json()).toEqual({ ok: true });
    times.push(performance.now() - begin);
  }
  return Math.max(...times);
};

test("an engine that never answers is replaced, and its connection closed", async () => {
  await using silent = await startRawEngine(() => {});
  await using good = await startRawEngine((socket) => socket.write(rawAnswer('{"ok":true}')));
  await using router = startRouter({
    backends: serving(silent, good),
    maxReroutes: 1,
    deadlines: { firstChunkMs: 300 },
  });
  const ms = await longestOfTwo(router.url);
  expect(ms).toBeGreaterThanOrEqual(300);
  expect(ms).toBeLessThan(600);
  await silent.closed();
});

test("without another engine the client is told 504", async () => {
  await using silent = await startRawEngine((socket) => socket.write(STREAM_HEAD));
  await using router = startRouter({ backends: serving(silent), deadlines: { firstChunkMs: 100 } });
  const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body });
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({
    error: { code: "upstream_timeout", message: "The engine did not answer in time." },
  });
  await silent.closed();
});

test("a stream that stops is cut with its reason, and its engine's connection closed", async () => {
  await using engine = await startRawEngine((socket) => socket.write(STREAM_HEAD + rawChunk("data: 1\n\n")));
  await using router = startRouter({ backends: serving(engine), deadlines: { chunkIdleMs: 200 } });
  using client = sendRaw(router.port, request);
  const received = await client.closed();
  expect(received).toContain('"code":"upstream_timeout"');
  expect(received).not.toEndWith("0\r\n\r\n");
  await engine.closed();
});

test("a request that its client gives little time is answered 504 after it", async () => {
  await using engine = await startRawEngine(() => {});
  await using router = startRouter({ backends: serving(engine), maxReroutes: 2 });
  const headers = { "x-request-timeout-ms": "150" };
  const response = await fetch(`${router.url}/v1/completions`, { method: "POST", body, headers });
  expect([response.status, response.headers.get("x-should-retry")]).toEqual([504, "false"]);
  expect(await response.json()).toMatchObject({ error: { code: "request_timeout" } });
  expect(engine.requests).toHaveLength(1);
  await engine.closed();
});

test("a client that reads nothing is cut and its engine freed, one that reads slowly is not", async () => {
  const chunk = rawChunk(`data: ${"x".repeat(64 * 1024)}\n\n`);
  await using engine = await startRawEngine((socket) => {
    let sent = 0;
    socket.write(STREAM_HEAD);
    const pump = (): void => {
      for (; sent < 64 * 1024 * 1024 && !socket.destroyed; sent += chunk.length)
        if (!socket.write(chunk)) return;
      socket.end(`${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`);
    };
    socket.on("drain", pump);
    pump();
  });
  await using router = startRouter({
    backends: serving(engine),
    deadlines: { clientStallMs: 1000 },
    idleTimeoutSeconds: 1,
  });

  using stalled = sendRaw(router.port, request);
  stalled.socket.pause();
  await engine.closed();
  await router.logged(/was cut while its answer streamed: The client took nothing/);
  // What was on its way is all that comes; the connection itself lasts until the server's idle limit.
  stalled.socket.resume();
  expect(await stalled.closed()).not.toEndWith("0\r\n\r\n");

  using slow = sendRaw(router.port, request);
  slow.socket.on("data", () => {
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 2);
  });
  expect((await slow.closed()).slice(-100)).toEndWith("data: [DONE]\n\n\r\n0\r\n\r\n");
}, 60_000);

/** A host that answers no new connection: a stopped process whose queue of them is full. */
const startBlackHole = async () => {
  const listen = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () {
    console.log(this.address().port);
  });`;
  const child = Bun.spawn([process.execPath, "-e", listen], { stdout: "pipe", stderr: "ignore" });
  const { value } = await child.stdout.getReader().read();
  const port = Number(Buffer.from(value ?? []).toString());
  child.kill("SIGSTOP");
  const url = `http://127.0.0.1:${port}`;
  const fillers: ReturnType<typeof connect>[] = [];
  while (await engineReach(url, AbortSignal.timeout(300))) {
    const filler = connect(port, "127.0.0.1");
    filler.on("error", () => {});
    fillers.push(filler);
    await Bun.sleep(10);
  }
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      for (const filler of fillers) filler.destroy();
      child.kill("SIGKILL");
      await child.exited;
    },
  };
};

test("a host that lets connections go unanswered is replaced after twice the connect limit", async () => {
  await using hole = await startBlackHole();
  await using good = await startRawEngine((socket) => socket.write(rawAnswer('{"ok":true}')));
  await using router = startRouter({
    backends: serving(hole, good),
    maxReroutes: 1,
    deadlines: { connectMs: 400 },
  });
  const ms = await longestOfTwo(router.url);
  expect(ms).toBeGreaterThanOrEqual(800);
  expect(ms).toBeLessThan(1300);
}, 15_000);

test.each(["Content-Length: 1000000", "Transfer-Encoding: chunked"])(
  "a body that comes steadily, but not in its time, reaches no engine, and its connection is closed (%s)",
  async (framing) => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("{}")));
    await using router = startRouter({ backends: serving(engine), deadlines: { bodyMs: 300 } });
    // The second request of a connection is no other than the first.
    using client = sendRaw(router.port, request);
    await client.until(/\{\}$/);
    client.socket.write(`POST /v1/completions HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
    const begin = performance.now();
    const piece = framing.startsWith("T") ? "1\r\nx\r\n" : "x";
    const trickle = setInterval(() => client.socket.write(piece), 20);
    const received = await client.closed();
    clearInterval(trickle);
    expect(performance.now() - begin).toBeLessThan(600);
    expect(received).toMatch(/HTTP\/1\.1 408 [^]*"code":"body_timeout"/);
    expect(engine.requests).toHaveLength(1);
  },
);
