import { describe, expect, test } from "bun:test";
import { aborted } from "../../src/core/aborted.ts";
import type { EngineReach } from "../../src/core/engine-reach.ts";
import type { EngineFetch, EngineRequest } from "../../src/core/engine-fetch.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { createLog } from "../../src/core/log.ts";
import { createEngineHealth, type HealthOptions, modelKey } from "../../src/health/engine-health.ts";
import { createTestClock, settle } from "../support/clock.ts";

const thresholds = { fall: 3, rise: 2 };
const liveness = { path: "/health", intervalMs: 5000, timeoutMs: 2000, thresholds };
const models = { intervalMs: 60_000, timeoutMs: 10_000, thresholds };

const endpoint = (id: string, ...served: readonly string[]): Endpoint => ({
  id,
  url: `http://${id}`,
  models: served,
  addedAt: 0,
});

type Answer = (request: EngineRequest) => Response | Promise<Response>;

const hanging: Answer = async ({ signal }) => {
  const { promise, reject } = Promise.withResolvers<Response>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return promise;
};

const refusing: Answer = async () => Promise.reject(new TypeError("refused"));

/** Checks of engines that answer as a test says, at its own pace. */
const start = (options: HealthOptions, endpoints: readonly Endpoint[] = [endpoint("a", "m")]) => {
  const clock = createTestClock();
  const lines: string[] = [];
  const log = createLog(
    { level: "info", format: "text" },
    { clock, write: (_stream, line) => lines.push(line.replace(/^\[.*?\] | \(vllm_router\)\n$/g, "")) },
  );
  const asked: { readonly url: string; readonly request: EngineRequest }[] = [];
  const answers = new Map<string, Answer>();
  const fetch: EngineFetch = async (url, request) => {
    asked.push({ url, request });
    return (answers.get(url) ?? (() => Response.json({})))(request);
  };
  const asleep = new Set<string>();
  let dataAt: number | undefined;
  let reach: EngineReach = async () => true;
  const health = createEngineHealth(options, {
    clock,
    log,
    fetch,
    reach: async (url, signal) => reach(url, signal),
    random: () => 0.5,
    apiKey: "the key",
    endpoints: () => endpoints,
    isSleeping: (id) => asleep.has(id),
    typeOf: (_endpoint, model) => (model === "untyped" ? undefined : "completion"),
    lastDataAt: () => dataAt,
    states: new Map(),
  });
  return {
    health,
    clock,
    lines,
    asked,
    asleep,
    answer: (url: string, how: Answer) => answers.set(url, how),
    sendData: () => (dataAt = clock.monotonic()),
    reaches: (how: EngineReach) => (reach = how),
    live: async (seconds: number): Promise<void> => {
      for (let step = 0; step < seconds * 10; step += 1) {
        await settle();
        clock.advance(100);
      }
      await settle();
    },
  };
};

const down = ({ health }: ReturnType<typeof start>) => [
  [...health.excluded.engines],
  [...health.excluded.models],
];

describe("the light check", () => {
  test("asks every engine for its health, with the key, over a fresh connection", async () => {
    const { asked, live } = start({ liveness }, [endpoint("a", "m"), endpoint("b")]);
    await live(5);
    expect(asked.map(({ url }) => url).sort()).toEqual(["http://a/health", "http://b/health"]);
    for (const { request } of asked) {
      expect(request).toMatchObject({ method: "GET", fresh: true });
      expect(Object.fromEntries(request.headers)).toEqual({
        authorization: "Bearer the key",
        "user-agent": "vllm-router",
      });
    }
  });

  test("excludes an engine with one warning and includes it with one line", async () => {
    const checks = start({ liveness });
    checks.answer("http://a/health", refusing);
    await checks.live(60);
    expect(down(checks)).toEqual([["a"], []]);
    checks.answer("http://a/health", () => new Response());
    await checks.live(60);
    expect(down(checks)).toEqual([[], []]);
    expect(checks.lines).toEqual([
      "WARNING: Engine http://a is unhealthy and gets no requests until it recovers: refused",
      "INFO: Engine http://a is healthy again and gets requests",
    ]);
  });

  test.each([200, 204, 302, 401, 404, 405, 429])("takes %p for a sign of life", async (status) => {
    const checks = start({ liveness });
    checks.answer("http://a/health", () => new Response(null, { status }));
    await checks.live(60);
    expect([down(checks), checks.lines]).toEqual([[[], []], []]);
  });

  test("takes 503 for death, and other failures of a server for a reason to ask again", async () => {
    const dying = start({ liveness });
    dying.answer("http://a/health", () => new Response(null, { status: 503 }));
    await dying.live(3);
    expect(down(dying)).toEqual([["a"], []]);
    const failing = start({ liveness });
    failing.answer("http://a/health", () => new Response(null, { status: 500 }));
    await failing.live(3);
    expect(down(failing)).toEqual([[], []]);
    await failing.live(4);
    expect(down(failing)).toEqual([["a"], []]);
  });

  test("spares a busy engine: until 10 s after its last data, while its host takes connections", async () => {
    const checks = start({ liveness });
    checks.answer("http://a/health", hanging);
    for (let second = 0; second < 60; second += 1) {
      checks.sendData();
      await checks.live(1);
    }
    expect(checks.lines).toEqual([]);
    const lastData = checks.clock.monotonic() - 1000;
    while (checks.lines.length === 0) await checks.live(0.1);
    expect(checks.lines).toEqual([
      "WARNING: Engine http://a is unhealthy and gets no requests until it recovers: no answer in 2 s",
    ]);
    const silence = checks.clock.monotonic() - lastData;
    expect(silence).toBeGreaterThan(10_000);
    expect(silence).toBeLessThan(25_000);
  });

  test("spares no engine whose host is gone or silent, or that refuses, however lately it sent data", async () => {
    const gone = start({ liveness });
    gone.answer("http://a/health", hanging);
    gone.reaches(async () => false);
    const silent = start({ liveness });
    silent.answer("http://a/health", hanging);
    silent.reaches(async (_url, signal) => aborted(signal).then(() => false));
    const refused = start({ liveness });
    refused.answer("http://a/health", refusing);
    for (const checks of [gone, silent, refused]) {
      for (let second = 0; second < 15; second += 1) {
        checks.sendData();
        await checks.live(1);
      }
      expect(down(checks)).toEqual([["a"], []]);
    }
  });
});

describe("the check of models", () => {
  const url = "http://a/v1/completions";

  test("sends each model of a known type a real request, with the key, over a fresh connection", async () => {
    const { asked, live } = start({ models }, [endpoint("a", "m", "n", "untyped")]);
    await live(60);
    const bodies = asked.map(({ request }) => JSON.parse(Buffer.from(request.body ?? []).toString()));
    expect(bodies).toEqual([
      { model: "m", prompt: "Hello", max_tokens: 3 },
      { model: "n", prompt: "Hello", max_tokens: 3 },
    ]);
    for (const { url: to, request } of asked) {
      expect([to, request.method, request.fresh]).toEqual([url, "POST", true]);
      expect(request.headers.get("authorization")).toBe("Bearer the key");
      expect(request.headers.get("content-type")).toBe("application/json");
    }
  });

  test.each<[string, Answer]>([
    ["a client error", () => Response.json({}, { status: 404 })],
    ["an error of the server", () => Response.json({}, { status: 500 })],
    ["something that is not JSON", () => new Response("<html>")],
    ["silence", hanging],
    ["no connection", refusing],
  ])("leaves out the model that answers with %s, and only there", async (_what, answer) => {
    const checks = start({ models }, [endpoint("a", "m"), endpoint("b", "m")]);
    checks.answer(url, answer);
    await checks.live(50);
    expect(down(checks)).toEqual([[], [modelKey("a", "m")]]);
    expect(checks.lines).toHaveLength(1);
    expect(checks.lines[0]).toStartWith("WARNING: Model m on http://a is unhealthy and gets no requests");
    checks.answer(url, () => Response.json({}));
    await checks.live(90);
    expect(down(checks)).toEqual([[], []]);
    expect(checks.lines.slice(1)).toEqual(["INFO: Model m on http://a is healthy again and gets requests"]);
  });

  test("lets a sleeping engine sleep, and knows nothing of it when it wakes", async () => {
    const checks = start({ models });
    checks.answer(url, refusing);
    await checks.live(20);
    expect(down(checks)).toEqual([[], [modelKey("a", "m")]]);
    checks.asleep.add("a");
    await checks.live(2);
    const { length } = checks.asked;
    await checks.live(120);
    expect(checks.asked).toHaveLength(length);
    expect(down(checks)).toEqual([[], []]);
    checks.asleep.clear();
    checks.answer(url, () => Response.json({}));
    await checks.live(20);
    expect(checks.asked.length).toBeGreaterThan(length);
    expect(down(checks)).toEqual([[], []]);
  });

  test("asks nothing of an engine that is down: one warning says it all", async () => {
    const checks = start({ liveness, models });
    checks.answer("http://a/health", () => new Response(null, { status: 503 }));
    checks.answer(url, refusing);
    await checks.live(60);
    expect(checks.lines).toHaveLength(1);
    expect(checks.lines[0]).toStartWith("WARNING: Engine http://a ");
  });
});

describe("what is excluded", () => {
  test("is the same object while nothing changes, and nothing without checks", async () => {
    const checks = start({ liveness, models });
    const before = checks.health.excluded;
    await checks.live(60);
    expect(checks.health.excluded).toBe(before);
    checks.answer("http://a/health", () => new Response(null, { status: 503 }));
    await checks.live(10);
    expect(checks.health.excluded).not.toBe(before);
    expect([...before.engines]).toEqual([]);
    const none = start({});
    await none.live(60);
    expect([down(none), none.asked]).toEqual([[[], []], []]);
  });

  test("is looked after until it is disposed of", async () => {
    const checks = start({ liveness, models });
    checks.answer("http://a/health", hanging);
    await checks.live(3);
    await checks.health[Symbol.asyncDispose]();
    expect(checks.clock.waiting()).toEqual([]);
    expect(checks.asked.every(({ request }) => request.signal.aborted || request.method === "POST")).toBe(
      true,
    );
  });
});
