import { describe, expect, test } from "bun:test";
import type { HealthOptions } from "../../src/health/engine-health.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

const health: HealthOptions = {
  liveness: {
    path: "/health",
    intervalMs: 100,
    timeoutMs: 200,
    thresholds: { fall: 1, rise: 1 },
  },
};

const ask = rawPost("/v1/chat/completions", JSON.stringify({ model: "m", stream: true, messages: [] }));

describe("health checks over real sockets", () => {
  test("come each on a connection of their own, and are no requests in the statistics", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("{}")));
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], health });
    await engine.received(4);
    expect(engine.connections()).toBe(engine.requests.length);
    expect(engine.requests.map(({ head }) => head.split("\r\n")[0])).toEqual(
      engine.requests.map(() => "GET /health HTTP/1.1"),
    );
    for (let nth = 0; nth < 3; nth += 1) await engine.closed(nth);
    const { requests, endpoints } = router.router.legacy().engines;
    const [endpoint] = endpoints;
    expect(requests.of(endpoint?.id ?? "")).toMatchObject({
      inPrefill: 0,
      inDecode: 0,
      qps: undefined,
      firstRequestAt: undefined,
    });
  });

  test("let an engine stay that is too busy to answer them but streams, until it refuses", async () => {
    const engine = await startRawEngine((socket, { head }) => {
      if (head.startsWith("POST")) socket.write(STREAM_HEAD + rawChunk('data: "still here"\n\n'));
    });
    await using _engine = engine;
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], health });
    using client = sendRaw(router.port, ask);
    await client.until(/still here/);
    const checked = engine.requests.length;
    await engine.received(checked + 8);
    expect(router.lines.filter((line) => line.includes("is unhealthy"))).toEqual([]);
    expect(await (await fetch(`${router.url}/readyz`)).json()).toEqual({ status: "ready" });
    await engine[Symbol.asyncDispose]();
    await router.logged(/WARNING: Engine \S+ is unhealthy/);
  });

  test("leave no engine: every request is told that its model is unavailable for now, and then served", async () => {
    let isDead = true;
    await using engine = await startRawEngine((socket, { head }) => {
      const status = isDead && head.startsWith("GET") ? "503 Service Unavailable" : "200 OK";
      socket.write(rawAnswer("{}", {}, status));
    });
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], health });
    await router.logged(/WARNING: Engine \S+ is unhealthy.*\/health answered 503/);
    const send = async () =>
      fetch(`${router.url}/v1/chat/completions`, { method: "POST", body: '{"model":"m"}' });
    const refused = await send();
    expect([refused.status, await refused.json()]).toEqual([
      503,
      { error: "Model 'm' is temporarily unavailable. Please try again later." },
    ]);
    expect(engine.requests.every(({ head }) => head.startsWith("GET /health"))).toBe(true);
    expect(await (await fetch(`${router.url}/v1/models`)).json()).toMatchObject({ data: [{ id: "m" }] });
    isDead = false;
    await router.logged(/INFO: Engine \S+ is healthy again/);
    expect((await send()).status).toBe(200);
  });
});
