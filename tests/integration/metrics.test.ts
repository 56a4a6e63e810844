import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Socket } from "node:net";
import { scrape, whenIdle } from "../support/at-rest.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD, type RawRequest } from "../support/raw-engine.ts";
import { startRouter } from "../support/router.ts";

const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const event = (value: unknown): string => rawChunk(`data: ${JSON.stringify(value)}\n\n`);
const LAST_EVENTS = event({ choices: [], usage: USAGE }) + rawChunk("data: [DONE]\n\n");

/** What an engine can do with a request; the request itself names it. */
const behaviours = {
  whole: (socket) => socket.write(rawAnswer(JSON.stringify({ choices: [], usage: USAGE }))),
  refuses: (socket) => socket.write(rawAnswer('{"error":"no"}', {}, "400 Bad Request")),
  fails: (socket) => socket.write(rawAnswer('{"error":"no"}', {}, "500 Internal Server Error")),
  streams: (socket) =>
    socket.write(`${STREAM_HEAD}${event({ a: 1 })}${event({ a: 2 })}${LAST_EVENTS}0\r\n\r\n`),
  breaks: (socket) => {
    socket.write(STREAM_HEAD + event({ a: 1 }));
    socket.end();
  },
  resets: (socket) => socket.resetAndDestroy(),
  hangs: () => {},
  stalls: (socket) => socket.write(STREAM_HEAD + event({ a: 1 })),
} as const satisfies Record<string, (socket: Socket) => unknown>;

type Behaviour = keyof typeof behaviours;
const names = Object.keys(behaviours) as Behaviour[];
/** Behaviours that never end an answer: only the client can. */
const ENDLESS: ReadonlySet<string> = new Set(["hangs", "stalls"]);

/** Two engines that do as each request says, behind a router; `heard` resolves when a request has reached one. */
const start = async (options: Partial<Parameters<typeof startRouter>[0]> = {}) => {
  const parts = new AsyncDisposableStack();
  const arrivals = new Map<string, PromiseWithResolvers<void>>();
  const arrivalOf = (id: string): PromiseWithResolvers<void> => {
    const known = arrivals.get(id) ?? Promise.withResolvers<void>();
    arrivals.set(id, known);
    return known;
  };
  const answer = (socket: Socket, { body }: RawRequest): void => {
    const { how, user } = JSON.parse(body.toString()) as { how: Behaviour; user: string };
    arrivalOf(user).resolve();
    behaviours[how](socket);
  };
  const engines = [parts.use(await startRawEngine(answer)), parts.use(await startRawEngine(answer))] as const;
  const backends = engines.map(({ url }) => ({ url, models: ["m"] }));
  const router = parts.use(startRouter({ backends, maxReroutes: 1, ...options }));
  return {
    router,
    engines,
    heard: async (id: string) => arrivalOf(id).promise,
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};

const chat = (how: Behaviour, { user = "u", model = "m" } = {}): string =>
  rawPost("/v1/chat/completions", JSON.stringify({ model, messages: [], how, user }), ["Connection: close"]);

describe("after a storm of requests that end in every way", () => {
  const request = fc.record({
    how: fc.constantFrom(...names),
    leaves: fc.constantFrom("never", "when the engine has it", "when bytes come"),
    by: fc.constantFrom("destroy", "resetAndDestroy"),
  });

  test("every gauge is back at 0, and every request is counted once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 10, maxLength: 30 }), async (requests) => {
        // Fewer at once than there are: many wait for their turn, and some leave before it.
        const admission = { maxConcurrent: 6, queueSize: 100, queueTimeoutMs: 60_000 };
        await using storm = await start({ admission });
        const { router, heard } = storm;
        await Promise.all(
          requests.map(async ({ how, leaves, by }, index) => {
            const user = String(index);
            using client = sendRaw(router.port, chat(how, { user }));
            if (leaves === "when bytes come" && how !== "hangs") await client.until(/./);
            // Whoever leaves must have been heard of before, or nobody could count it.
            else if (leaves !== "never" || ENDLESS.has(how)) await heard(user);
            else await client.closed();
            client.socket[by]();
          }),
        );
        const read = await whenIdle(router);
        const count = (name: string, labels = {}) => read.value(name, labels) ?? 0;
        const attempts = (outcome: string) => count("vllm_router_attempts_total", { outcome });
        expect(count("vllm:num_incoming_requests_total", { model: "m" })).toBe(requests.length);
        const all = ["done", "refused", "failed", "client_closed"].map(attempts);
        expect(all.reduce((sum, each) => sum + each, 0)).toBe(
          requests.length + count("vllm_router_retries_total"),
        );
        expect(count("vllm:request_latency_seconds", { status: "success" })).toBe(attempts("done"));
        expect(count("vllm:request_latency_seconds", { status: "error" })).toBe(
          attempts("refused") + attempts("failed"),
        );
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

describe("what a request leaves behind", () => {
  test("tokens of whole answers and of streams, once each", async () => {
    await using given = await start();
    for (const how of ["whole", "streams", "streams"] as const) {
      using client = sendRaw(given.router.port, chat(how));
      await client.closed();
    }
    const { value } = await whenIdle(given.router);
    expect([value("vllm:input_tokens_total"), value("vllm:output_tokens_total")]).toEqual([21, 9]);
    expect(value("vllm_router_time_to_first_token_seconds")).toBe(2);
    expect(value("vllm_router_request_duration_seconds", { model: "m" })).toBe(3);
    expect(value("vllm_router_overhead_seconds")).toBe(3);
    expect(value("vllm:avg_decoding_length")).toBe(6);
    expect(value("vllm:healthy_pods_total")).toBe(2);
    expect(value("vllm_router_discovery_changes_total", { change: "added" })).toBe(2);
  });

  test("its kind of failure and the attempt on another engine", async () => {
    await using given = await start();
    using reset = sendRaw(given.router.port, chat("resets"));
    expect(await reset.closed()).toStartWith("HTTP/1.1 502");
    using broken = sendRaw(given.router.port, chat("stalls"));
    await broken.until(/"a":1/);
    for (const engine of given.engines) await engine[Symbol.asyncDispose]();
    await broken.closed();
    const { value } = await whenIdle(given.router);
    expect(value("vllm:request_errors_total", { error_type: "ServerDisconnectedError" })).toBe(2);
    expect(value("vllm:request_errors_total", { error_type: "ClientPayloadError" })).toBe(1);
    expect(value("vllm_router_retries_total", { model: "m" })).toBe(1);
    expect(value("vllm_router_routing_decisions_total", { model: "m", reason: "turn" })).toBe(3);
  });

  test("a count by model although no engine is there, and under one name for all unknown ones", async () => {
    await using given = await start({ maxReroutes: 0 });
    const { router, engines } = given;
    for (const engine of engines) await engine[Symbol.asyncDispose]();
    for (const model of ["m", "never-seen", "nor-this"]) {
      using client = sendRaw(router.port, chat("whole", { model }));
      expect(await client.closed()).toStartWith(model === "m" ? "HTTP/1.1 503" : "HTTP/1.1 404");
    }
    const { value, labels } = await scrape(router);
    expect(value("vllm:num_incoming_requests_total", { model: "m" })).toBe(1);
    expect(value("vllm:num_incoming_requests_total", { model: "other" })).toBe(2);
    expect(labels("vllm:num_incoming_requests_total")).toHaveLength(2);
  });

  test("a count while every engine of the model sleeps", async () => {
    await using given = await start();
    const { router } = given;
    const list = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
    router.router.legacy().engines.sleep.set(list[0]?.engine_id ?? "", true);
    router.router.legacy().engines.sleep.set(list[1]?.engine_id ?? "", true);
    using client = sendRaw(router.port, chat("whole"));
    expect(await client.closed()).toStartWith("HTTP/1.1 503");
    expect((await scrape(router)).value("vllm:num_incoming_requests_total", { model: "m" })).toBe(1);
  });
});

describe("fields of an answer that tell of the router", () => {
  const headOf = async (options: Parameters<typeof start>[0], how: Behaviour = "whole") => {
    await using given = await start(options);
    using client = sendRaw(given.router.port, chat(how));
    const text = await client.closed();
    const ids = (await (await fetch(`${given.router.url}/engines`)).json()) as { engine_id: string }[];
    return {
      head: text.slice(0, text.indexOf("\r\n\r\n")).toLowerCase(),
      ids: ids.map(({ engine_id: id }) => id),
    };
  };

  test("are not there unless they are asked for", async () => {
    const { head } = await headOf({});
    expect(head).not.toMatch(/x-vllm-router-|server-timing/);
  });

  test.each(["whole", "streams", "refuses"] as const)(
    "name the engine, why it was chosen, and the router's time where it %s",
    async (how) => {
      const { head, ids } = await headOf(
        { answerFields: { endpoint: true, reason: true, serverTiming: true } },
        how,
      );
      expect(ids).toContain(/^x-vllm-router-endpoint: (.+)$/m.exec(head)?.[1]?.trim() ?? "(none)");
      expect(head).toMatch(/^x-vllm-router-reason: turn 1 of \d+\s*$/m);
      expect(Number(/^server-timing: router;dur=([\d.]+)\s*$/m.exec(head)?.[1])).toBeLessThan(1000);
    },
  );
});
