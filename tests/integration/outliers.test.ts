import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import type { Config } from "../../src/config/config.ts";
import type { HealthOptions } from "../../src/health/engine-health.ts";
import { readExposition } from "../support/exposition.ts";
import {
  type RawEngine,
  type RawRequest,
  rawAnswer,
  rawChunk,
  startRawEngine,
  STREAM_HEAD,
} from "../support/raw-engine.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

/** Ejections of a fifth of a second, and a change of mind each 0.6 s at most. */
const quick: NonNullable<Config["outliers"]> = {
  breaker: { failureThreshold: 5, successThreshold: 1, ejectionMs: 200, windowMs: 30_000 },
  slowStartMs: 500,
  panicMode: "route",
};

const checks: HealthOptions = {
  liveness: { path: "/health", intervalMs: 100, timeoutMs: 200, thresholds: { fall: 2, rise: 1 } },
};

type Answer = (socket: Socket, request: RawRequest) => void;

const well: Answer = (socket) => socket.write(rawAnswer("{}"));
const status =
  (text: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (socket) =>
    socket.write(rawAnswer("{}", headers, text));
const stream: Answer = (socket) =>
  socket.write(`${STREAM_HEAD}${rawChunk("data: {}\n\ndata: [DONE]\n\n")}0\r\n\r\n`);

/** An engine that passes its health checks and answers requests as a test says. */
const startEngine = async (first: Answer) => {
  let how = first;
  const engine = await startRawEngine((socket, request) =>
    request.head.startsWith("GET") ? well(socket, request) : how(socket, request),
  );
  const asked = (): number => engine.requests.filter(({ head }) => head.startsWith("POST")).length;
  return { ...engine, asked, does: (next: Answer) => (how = next) };
};

const startOver = (engines: readonly RawEngine[], given: Partial<Parameters<typeof startRouter>[0]> = {}) =>
  startRouter({
    backends: engines.map(({ url }) => ({ url, models: ["m"] })),
    maxReroutes: 2,
    outliers: quick,
    ...given,
  });

const send = async ({ url }: TestRouter): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "m", messages: [] }),
  });

/** The statuses of so many requests, one after the other. */
const statuses = async (router: TestRouter, count: number): Promise<number[]> => {
  const found: number[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    const response = await send(router);
    await response.arrayBuffer().catch(() => {});
    found.push(response.status);
  }
  return found;
};

/** Sends one request after the other until something was logged. */
const sendUntil = async (router: TestRouter, pattern: RegExp): Promise<void> => {
  while (!router.lines.some((line) => pattern.test(line))) await statuses(router, 1);
};

const metricsOf = async ({ url }: TestRouter) => readExposition(await (await fetch(`${url}/metrics`)).text());

describe("an engine that answers every request with 500", () => {
  test("is left out although its health checks pass, shows in metrics and readiness, and comes back", async () => {
    await using bad = await startEngine(status("500 Broken"));
    await using good = await startEngine(well);
    await using router = startOver([bad, good], { health: checks });
    expect(await statuses(router, 40)).toEqual(Array.from({ length: 40 }, () => 200));
    await router.logged(/WARNING: Engine \S+ gets no requests for 0\.\d+ s, because .*answered 500/);
    expect(bad.asked()).toBeLessThan(12);
    const { value } = await metricsOf(router);
    const ofState = (state: string) => value("vllm_router_engine_state", { server: bad.url, state });
    expect((ofState("ejected") ?? 0) + (ofState("half_open") ?? 0)).toBe(1);
    expect(ofState("serving")).toBe(0);
    expect(
      value("vllm_router_ejections_total", { server: bad.url, reason: "consecutive_failures" }),
    ).toBeGreaterThanOrEqual(1);
    const readiness = await (await fetch(`${router.url}/readyz?verbose`)).json();
    expect(readiness).toMatchObject({ endpoints: { total: 2, healthy: 2, routable: 2, ejected: 1 } });

    bad.does(well);
    await sendUntil(router, /INFO: Engine \S+ answers again and gets requests, after/);
    const before = bad.asked();
    await statuses(router, 60);
    expect(bad.asked()).toBeGreaterThan(before);
    const words = router.lines.filter((line) => /gets no requests|answers again/.test(line));
    expect(words.filter((line) => line.includes("WARNING"))).toHaveLength(1);
    expect(words.filter((line) => line.includes("INFO"))).toHaveLength(1);
  });

  test("gets one probing request when its time is over, however many come at once", async () => {
    const held: Socket[] = [];
    await using bad = await startEngine(status("500 Broken"));
    await using good = await startEngine(well);
    await using router = startOver([bad, good]);
    await sendUntil(router, /WARNING: Engine \S+ gets no requests/);
    const before = bad.asked();
    bad.does((socket) => held.push(socket));
    const until = performance.now() + 400;
    while (performance.now() < until) await Promise.race([send(router), Bun.sleep(2)]);
    const many = await Promise.race([
      Promise.all(Array.from({ length: 50 }, async () => (await send(router)).status)),
      Bun.sleep(2000),
    ]);
    expect(many).toEqual(Array.from({ length: 50 }, () => 200));
    expect(bad.asked()).toBe(before + 1);
    for (const socket of held) socket.destroy();
  });

  test("still gets all requests where it is the only one", async () => {
    await using only = await startEngine(status("500 Broken"));
    await using router = startOver([only], { maxReroutes: 0 });
    expect(await statuses(router, 20)).toEqual(Array.from({ length: 20 }, () => 500));
    expect(only.asked()).toBe(20);
    expect(router.lines.filter((line) => line.includes("gets no requests"))).toEqual([]);
  });
});

describe("an engine is left out", () => {
  test.each<[string, Answer]>([
    ["resets connections", (socket) => socket.resetAndDestroy()],
    ["answers with garbage", (socket) => socket.end("SMTP ready\r\n\r\n")],
    ["answers with nothing", (socket) => socket.write(rawAnswer(""))],
    ["answers with streams of nothing", (socket) => socket.write(`${STREAM_HEAD}0\r\n\r\n`)],
    ["answers 503 and names no time", status("503 Dead")],
    [
      "opens its streams with an error",
      (socket) =>
        socket.write(
          `${STREAM_HEAD}${rawChunk('data: {"error":{"message":"dead","code":500}}\n\n')}0\r\n\r\n`,
        ),
    ],
    [
      "ends its streams with an error",
      (socket) => {
        socket.write(STREAM_HEAD + rawChunk("data: {}\n\n"));
        setTimeout(
          () =>
            socket.write(
              `${rawChunk('data: {"error":{"message":"dead","code":500}}\n\ndata: [DONE]\n\n')}0\r\n\r\n`,
            ),
          10,
        );
      },
    ],
    [
      "breaks off its streams",
      (socket) => {
        socket.write(STREAM_HEAD + rawChunk("data: {}\n\n"));
        setTimeout(() => socket.destroy(), 20);
      },
    ],
  ])("when it %s", async (_what, how) => {
    await using bad = await startEngine(how);
    await using good = await startEngine(stream);
    await using router = startOver([bad, good]);
    await sendUntil(router, /WARNING: Engine \S+ gets no requests/);
    // A connection that is lost without an answer is replaced once.
    expect(bad.asked()).toBeLessThanOrEqual(10);
    const before = good.asked();
    await statuses(router, 5);
    expect(good.asked()).toBe(before + 5);
  });
});

describe("an engine stays", () => {
  test.each<[string, Answer]>([
    ["answers 400", status("400 Bad Request")],
    ["has not built what is asked for", status("501 Not Implemented")],
    ["takes its time", (socket) => void setTimeout(() => socket.write(rawAnswer("{}")), 20)],
  ])("that %s", async (_what, how) => {
    await using odd = await startEngine(how);
    await using good = await startEngine(well);
    await using router = startOver([odd, good], { maxReroutes: 0 });
    await statuses(router, 60);
    expect(odd.asked()).toBe(30);
    expect(router.lines.filter((line) => line.includes("gets no requests"))).toEqual([]);
  });

  test.each<[string, Answer]>([
    ["answers 429", status("429 Full")],
    ["answers 503 and names a time", status("503 Full", { "retry-after": "20" })],
  ])("that %s, and gets a tenth of its share for that time", async (_what, how) => {
    await using full = await startEngine(how);
    await using good = await startEngine(well);
    await using router = startOver([full, good], { maxReroutes: 0 });
    await statuses(router, 60);
    expect(full.asked()).toBeGreaterThan(0);
    expect(full.asked()).toBeLessThan(20);
    expect(router.lines.filter((line) => line.includes("gets no requests"))).toEqual([]);
  });

  test("whose clients leave", async () => {
    await using silent = await startEngine(() => {});
    await using good = await startEngine(well);
    await using router = startOver([silent, good]);
    for (let nth = 0; nth < 30; nth += 1) {
      const leaving = new AbortController();
      const sent = fetch(`${router.url}/v1/chat/completions`, {
        method: "POST",
        body: JSON.stringify({ model: "m" }),
        signal: leaving.signal,
      });
      await Promise.race([sent, silent.received(silent.requests.length + 1)]);
      leaving.abort();
      await sent.then(async (response) => response.arrayBuffer()).catch(() => {});
    }
    expect(silent.asked()).toBeGreaterThanOrEqual(10);
    expect(router.lines.filter((line) => line.includes("gets no requests"))).toEqual([]);
  });
});

describe("with all engines down", () => {
  test("the answer is quick and plain, and service is back within one interval of an engine", async () => {
    const engines = [await startEngine(well), await startEngine(well)];
    const ports = engines.map(({ port }) => port);
    const intervalMs = 500;
    const health: HealthOptions = {
      liveness: { path: "/health", intervalMs, timeoutMs: 200, thresholds: { fall: 2, rise: 1 } },
    };
    await using router = startOver(engines, { health });
    for (const engine of engines) await engine[Symbol.asyncDispose]();
    await Promise.all(
      engines.map(async ({ url }) => router.logged(new RegExp(`WARNING: Engine ${url} is unhealthy`))),
    );
    // What is settled is held for three intervals.
    await Bun.sleep(3 * intervalMs);
    const slowest: number[] = [];
    for (let nth = 0; nth < 20; nth += 1) {
      const sentAt = performance.now();
      const response = await send(router);
      slowest.push(performance.now() - sentAt);
      expect(response.status).toBe(503);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(response.headers.get("x-should-retry")).toBe("true");
    }
    expect(slowest.sort((left, right) => left - right).at(-2)).toBeLessThan(50);

    const back = Bun.serve({ hostname: "127.0.0.1", port: ports[0] ?? 0, fetch: () => new Response("{}") });
    const backAt = performance.now();
    while ((await send(router)).status !== 200) await Bun.sleep(5);
    expect(performance.now() - backAt).toBeLessThan(intervalMs * 1.2 + 100);
    await back.stop(true);
  });
});

describe("with less than half of the engines left", () => {
  test.each([
    [2, 200],
    [3, 500],
  ])("a request is sent once: %p of them dead gives %p", async (dead, expected) => {
    await using running = new AsyncDisposableStack();
    const broken = running.use(await startEngine(status("500 Broken")));
    const good = running.use(await startEngine(well));
    const engines: RawEngine[] = [broken, good];
    for (let nth = 0; nth < dead; nth += 1)
      engines.push(running.use(await startRawEngine(status("503 Dead"))));
    const router = running.use(startOver(engines, { health: checks }));
    for (const { url } of engines.slice(2))
      await router.logged(new RegExp(`WARNING: Engine ${url} is unhealthy`));
    // In turn, so that one of two comes to the broken one.
    const answers = [await send(router), await send(router)];
    expect(Math.min(...answers.map((answer) => answer.status))).toBe(200);
    expect(Math.max(...answers.map((answer) => answer.status))).toBe(expected);
    expect(broken.asked()).toBe(1);
    const refused = answers.find((answer) => answer.status === 500);
    expect(refused?.headers.get("x-should-retry")).toBe(expected === 500 ? "false" : undefined);
  });
});

describe("a router that takes over", () => {
  test("goes on with what is known of engines, unless they are to be judged otherwise", async () => {
    await using bad = await startEngine(status("500 Broken"));
    await using good = await startEngine(well);
    await using first = startOver([bad, good]);
    await sendUntil(first, /WARNING: Engine \S+ gets no requests/);
    const asked = bad.asked();
    const previous = first.router.legacy();
    await using second = startOver([bad, good], { previous, countsStreams: true });
    const { value } = await metricsOf(second);
    expect(value("vllm_router_engine_state", { server: bad.url, state: "serving" })).toBe(0);
    await statuses(second, 10);
    // Some may have been probes; half of ten would be its share.
    expect(bad.asked()).toBeLessThanOrEqual(asked + 3);
    await using third = startOver([bad, good], {
      previous,
      outliers: { slowStartMs: 0, panicMode: "route" },
    });
    await statuses(third, 20);
    expect(bad.asked()).toBeGreaterThan(asked + 5);
    expect(third.lines.filter((line) => line.includes("gets no requests"))).toEqual([]);
  });
});
