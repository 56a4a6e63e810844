import { describe, expect, test } from "bun:test";
import { routingBy } from "../../src/routing/index.ts";
import { readExposition } from "../support/exposition.ts";
import { rawPost, type RawClient, sendRaw } from "../support/raw-client.ts";
import { rawAnswer, rawChunk, type RawEngine, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

const completion = (padding = ""): string => rawPost("/v1/completions", `{"model":"m","p":"${padding}"}`);

/** An engine that streams until a test ends its nth answer, before a router that takes two requests at once. */
const start = async (options: Partial<Parameters<typeof startRouter>[0]> = {}) => {
  const parts = new AsyncDisposableStack();
  const ends: (() => void)[] = [];
  const engine = parts.use(
    await startRawEngine((socket) => {
      socket.write(STREAM_HEAD + rawChunk("data: 1\n\n"));
      ends.push(() => socket.write(`${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`));
    }),
  );
  const admission = { maxConcurrent: 2, queueSize: 1, queueTimeoutMs: 60_000 };
  const router = parts.use(
    startRouter({ backends: [{ url: engine.url, models: ["m"] }], admission, ...options }),
  );
  const send = (bytes = completion()): RawClient => parts.use(sendRaw(router.port, bytes));
  return {
    engine,
    router,
    send,
    /** Requests whose streams have begun. */
    hold: async (count: number): Promise<readonly RawClient[]> => {
      const clients = Array.from({ length: count }, () => send());
      for (const client of clients) await client.until(/data: 1/);
      return clients;
    },
    end: (nth: number) => ends[nth]?.(),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};

const scrape = async ({ url }: TestRouter) => readExposition(await (await fetch(`${url}/metrics`)).text());

/** Asks until as many wait as should: nothing else tells that a request has come so far. */
const whenWaiting = async (router: TestRouter, count: number): Promise<void> => {
  while ((await scrape(router)).value("vllm_router_queue_depth") !== count);
};

describe("more requests than may be under way", () => {
  test("wait for their turn, then are turned away with the time after which to try again", async () => {
    await using given = await start();
    const { router, send, hold, engine, end } = given;
    await hold(2);
    const waiting = send();
    await whenWaiting(router, 1);
    const refused = send();
    const answer = await refused.until(/\}\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    expect(answer).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(answer).toMatch(/\r\nretry-after-ms: 1000\r\n/i);
    expect(answer).toContain('"type":"rate_limit_error","param":null,"code":"queue_full"');
    expect(engine.requests).toHaveLength(2);

    end(0);
    await waiting.until(/data: 1/);
    const { value } = await scrape(router);
    expect(value("vllm_router_requests_under_way")).toBe(2);
    expect(value("vllm_router_queue_wait_seconds")).toBe(1);
    expect(value("vllm_router_rejected_requests_total", { reason: "queue_full" })).toBe(1);
  });

  test("wait no longer than their clients give them", async () => {
    await using given = await start();
    await given.hold(2);
    const headers = { "x-request-timeout-ms": "150" };
    const body = JSON.stringify({ model: "m" });
    const response = await fetch(`${given.router.url}/v1/completions`, { method: "POST", body, headers });
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([504, "false"]);
    expect(await response.text()).toContain("x-request-timeout-ms");
    expect(given.engine.requests).toHaveLength(2);
  });

  test("that were refused leave the connection usable", async () => {
    await using given = await start({
      admission: { maxConcurrent: 1, queueSize: 0, queueTimeoutMs: 1 },
    });
    const [held] = await given.hold(1);
    const client = given.send(completion("x".repeat(300_000)));
    await client.until(/queue_full/);
    given.end(0);
    await held?.until(/DONE/);
    while ((await scrape(given.router)).value("vllm_router_requests_under_way") !== 0);
    client.socket.write(completion());
    await client.until(/HTTP\/1\.1 200 OK/);
  });

  test.each(["destroy", "resetAndDestroy", "end"] as const)(
    "leave the queue when their client does (%s), and no engine hears of them",
    async (how) => {
      await using given = await start();
      const { router, send, hold, engine, end } = given;
      await hold(2);
      // More than a socket holds: whoever does not read it does not see its client leave.
      const client = send(completion("x".repeat(5_000_000)));
      await whenWaiting(router, 1);
      const askedAt = performance.now();
      client.socket[how]();
      await whenWaiting(router, 0);
      // Far less than the time for which it would have waited; to look takes a while on a busy machine.
      expect(performance.now() - askedAt).toBeLessThan(1000);
      end(0);
      end(1);
      while ((await scrape(router)).value("vllm_router_requests_under_way") !== 0);
      expect(engine.requests).toHaveLength(2);
    },
  );

  test("may wait longer than a connection may be silent", async () => {
    await using given = await start({ idleTimeoutSeconds: 1 });
    await given.hold(2);
    const waiting = given.send();
    // The runtime looks at idle connections about every 4 s.
    await Bun.sleep(6000);
    expect(waiting.socket.readyState).toBe("open");
    given.end(0);
    await waiting.until(/data: 1/);
  }, 15_000);

  test("do not keep anybody from what needs no engine", async () => {
    await using given = await start({ admission: { maxConcurrent: 1, queueSize: 0, queueTimeoutMs: 1 } });
    await given.hold(1);
    for (const path of ["/health", "/readyz", "/livez", "/metrics", "/v1/models", "/version", "/engines"]) {
      expect((await fetch(given.router.url + path)).status).toBe(200);
    }
  });
});

describe("a place is free again", () => {
  test.each<[string, string, number]>([
    ["a request without a model", rawPost("/v1/completions", "{}"), 400],
    ["a model that nobody serves", rawPost("/v1/completions", '{"model":"x"}'), 404],
    ["a body that is no JSON", rawPost("/v1/completions", "{"), 400],
  ])("after %s", async (_what, bytes, status) => {
    await using given = await start({ admission: { maxConcurrent: 1, queueSize: 0, queueTimeoutMs: 1 } });
    for (let time = 0; time < 3; time += 1) {
      expect(await given.send(bytes).until(/\}$/)).toStartWith(`HTTP/1.1 ${status} `);
    }
  });

  test("after an engine that cannot be reached", async () => {
    const admission = { maxConcurrent: 1, queueSize: 0, queueTimeoutMs: 1 };
    await using given = await start({ admission });
    await given.engine[Symbol.asyncDispose]();
    for (let time = 0; time < 3; time += 1) {
      expect(await given.send().until(/\}\}$/)).toStartWith("HTTP/1.1 503 ");
    }
  });
});

describe("memory", () => {
  const UNLIMITED = { maxConcurrent: 1000, queueSize: 0, queueTimeoutMs: 1 };

  test("that is short turns further requests away before their bodies are read, but not all", async () => {
    await using given = await start({
      admission: UNLIMITED,
      readMemory: async () => ({ used: 90, limit: 100 }),
    });
    await given.hold(1);
    // Of a body that never comes.
    const client = given.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    const answer = await client.until(/\}\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n[^]*"code":"overloaded"/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect((await fetch(`${given.router.url}/health`)).status).toBe(200);
  });

  test("that is short lets no second body come while one does", async () => {
    await using given = await start({
      admission: UNLIMITED,
      readMemory: async () => ({ used: 90, limit: 100 }),
    });
    const head = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n";
    const first = given.send(head);
    // Whoever comes second is looked at second.
    while ((await fetch(`${given.router.url}/health`)).headers.get("connection") !== "close");
    expect(await given.send(head).until(/\}\}$/)).toContain('"code":"overloaded"');
    first.socket.write('{"model":"m"}');
    await first.until(/data: 1/);
  });

  test("that is tight closes connections with their answer", async () => {
    const answering = await startRawEngine((socket) => socket.write(rawAnswer("{}")));
    await using given = await start({
      backends: [{ url: answering.url, models: ["m"] }],
      readMemory: async () => ({ used: 80, limit: 100 }),
    });
    expect(await given.send().closed()).toMatch(/^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n/i);
    await answering[Symbol.asyncDispose]();
  });
});

/** Whoever is refused gets an answer; nobody is left without one. */
test("200 clients at once before a router that takes 2 and lets 10 wait: 12 streams, 188 refusals", async () => {
  await using given = await start({ admission: { maxConcurrent: 2, queueSize: 10, queueTimeoutMs: 60_000 } });
  const engine: RawEngine = given.engine;
  const clients = Array.from({ length: 200 }, () => given.send());
  const heads = clients.map(async (client) => (await client.until(/^HTTP\/1\.1 \d+/)).slice(9, 12));
  for (let nth = 0; nth < 12; nth += 1) {
    await engine.received(nth + 1);
    given.end(nth);
  }
  const statuses = Map.groupBy(await Promise.all(heads), (status) => status);
  expect([statuses.get("200")?.length, statuses.get("429")?.length]).toEqual([12, 188]);
});

describe("a limit for each engine", () => {
  /** Engines that hold their requests until a test lets one go, and know how many they ever had at once. */
  const startHolding = async () => {
    const parts = new AsyncDisposableStack();
    const held: (() => void)[] = [];
    const most = [0, 0];
    const now = [0, 0];
    const engines = [];
    for (const index of [0, 1]) {
      const engine = await startRawEngine((socket) => {
        now[index] = (now[index] ?? 0) + 1;
        most[index] = Math.max(most[index] ?? 0, now[index]);
        held.push(() => {
          now[index] = (now[index] ?? 0) - 1;
          socket.write(rawAnswer("{}"));
        });
      });
      engines.push(parts.use(engine));
    }
    return { engines, held, most, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
  };

  test("is never exceeded, however many come at once, and everybody is served", async () => {
    await using holding = await startHolding();
    await using router = startRouter({
      backends: holding.engines.map(({ url }) => ({ url, models: ["m"] })),
      admission: { maxConcurrent: 1000, maxPerEngine: 3, queueSize: 100, queueTimeoutMs: 60_000 },
    });
    using clients = new DisposableStack();
    const answers = Array.from({ length: 60 }, async () => {
      const client = clients.use(sendRaw(router.port, completion()));
      return (await client.until(/\{\}$/)).slice(9, 12);
    });
    await whenWaiting(router, 54);
    for (let served = 0; served < 60; served += 1) {
      while (holding.held.length === 0) await Bun.sleep(1);
      holding.held.shift()?.();
    }
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["200"]));
    expect(holding.most).toEqual([3, 3]);
  });

  test("sends a session to another engine rather than have it wait", async () => {
    await using holding = await startHolding();
    await using router = startRouter({
      backends: holding.engines.map(({ url }) => ({ url, models: ["m"] })),
      routing: routingBy("session", { sessionKey: "x-user-id" }),
      admission: { maxConcurrent: 1000, maxPerEngine: 1, queueSize: 0, queueTimeoutMs: 1 },
    });
    using clients = new DisposableStack();
    const ask = (): RawClient =>
      clients.use(sendRaw(router.port, rawPost("/v1/completions", '{"model":"m"}', ["x-user-id: u"])));
    const first = [ask(), ask()];
    while (holding.held.length < 2) await Bun.sleep(1);
    expect(holding.most).toEqual([1, 1]);
    expect(await ask().until(/\}\}$/)).toMatch(
      /^HTTP\/1\.1 429 [^]*every engine of the model has as many requests as it may \(--max-concurrent-requests-per-engine 1\)/,
    );
    for (const release of holding.held) release();
    for (const client of first) await client.until(/\{\}$/);
    const metrics = await scrape(router);
    expect(metrics.value("vllm_router_requests_under_way")).toBe(0);
  });
});
