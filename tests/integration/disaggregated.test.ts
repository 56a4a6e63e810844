import { describe, expect, test } from "bun:test";
import { createMockEngine, type MockEngine } from "../../src/mock-engine/engine.ts";
import { engineFetch, systemClock } from "../../src/platform.ts";
import type { Config } from "../../src/config/config.ts";
import { routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

const LABELS = { prefillModelLabels: ["prefill"], decodeModelLabels: ["decode"] };
const ORCHESTRATED = "disaggregated_prefill_orchestrated";
const PROMPT = "It was a dark and stormy night. ".repeat(20);
/** Nobody listens there. */
const DEAD = { url: "http://127.0.0.1:9", port: 9 };

const engine = (role: "prefill" | "decode", options: Parameters<typeof createMockEngine>[0] = {}) =>
  createMockEngine(
    { role, servedModelName: ["m"], timeScale: 0, ...options },
    { clock: systemClock, fetch: engineFetch },
  );

interface Fleet {
  readonly prefill: readonly Pick<MockEngine, "url">[];
  readonly decode: readonly Pick<MockEngine, "url">[];
}

const route = (
  { prefill, decode }: Fleet,
  options: Partial<Parameters<typeof startRouter>[0]> & { readonly logic?: RoutingLogic } = {},
): TestRouter =>
  startRouter({
    backends: [
      ...prefill.map(({ url }) => ({ url, models: ["m"], label: "prefill" })),
      ...decode.map(({ url }) => ({ url, models: ["m"], label: "decode" })),
    ],
    routing: routingBy(options.logic ?? ORCHESTRATED, LABELS),
    ...options,
  });

const ask = async (
  { url }: Pick<TestRouter, "url">,
  fields: object = {},
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal | null = null,
): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": "r-1", ...headers },
    body: JSON.stringify({ model: "m", prompt: PROMPT, max_tokens: 5, ignore_eos: true, ...fields }),
    signal,
  });

/** Engines in the order of the routing lines of a request, with the session ids. */
const routed = ({ lines }: TestRouter, id = "r-1"): readonly string[] =>
  lines.flatMap((line) => {
    const [, session, url] =
      RegExp(`Routing request ${id} with session id (\\S+) to (\\S+) at `).exec(line) ?? [];
    return url === undefined ? [] : [`${session} ${url}`];
  });

const metric = async ({ url }: TestRouter, name: string): Promise<readonly string[]> =>
  (await (await fetch(`${url}/metrics`)).text()).split("\n").filter((line) => line.startsWith(name));

/** Whether no engine has anything of a request, as the router counts. */
const isIdle = async (router: TestRouter): Promise<boolean> => {
  const running = await metric(router, "vllm:num_requests_running");
  return running.length > 0 && running.every((line) => line.endsWith(" 0"));
};

describe.each(["disaggregated_prefill", ORCHESTRATED] as const)("%s", (logic) => {
  test.each([true, false])("asks two engines, with streaming %p", async (stream) => {
    await using p = engine("prefill");
    await using d = engine("decode");
    await using router = route(
      { prefill: [p], decode: [d] },
      { logic, answerFields: { endpoint: true, reason: true, serverTiming: false } },
    );
    const answer = await ask(router, { stream });
    const text = await answer.text();

    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toStartWith(stream ? "text/event-stream" : "application/json");
    expect(answer.headers.get("x-request-id")).toBe("r-1");
    expect(text).toContain(stream ? "data: [DONE]" : '"completion_tokens":5');
    expect(routed(router)).toEqual([`None ${p.url}`, `None ${d.url}`]);
    expect([p.state().finished, d.state().finished]).toEqual([1, 1]);
    expect(p.state().keptPrompts).toBe(0);
    expect(await isIdle(router)).toBe(true);
    expect(await metric(router, "vllm_router_prefill_duration_seconds_count")).toEqual([
      'vllm_router_prefill_duration_seconds_count{model="m",outcome="done"} 1',
    ]);
    // One request came, and one answer.
    expect(await metric(router, "vllm:num_incoming_requests_total")).toEqual([
      'vllm:num_incoming_requests_total{model="m"} 1',
    ]);
    expect(await metric(router, "vllm_router_request_duration_seconds_count")).toHaveLength(1);
  });

  test("asks both with the client's credentials and fields, and with the model of an alias", async () => {
    await using p = engine("prefill", { apiKey: "sk-client" });
    await using d = engine("decode", { apiKey: "sk-client" });
    await using router = route({ prefill: [p], decode: [d] }, { logic, aliases: { smart: "m" } });
    const headers = { authorization: "Bearer sk-client", "x-tenant": "t" };
    expect((await ask(router, { model: "smart" }, headers)).status).toBe(200);
    for (const each of [p, d]) {
      const received = each.state().requests.filter(({ method }) => method === "POST");
      expect(received).toHaveLength(1);
      expect(received[0]?.headers).toContainEqual(["x-tenant", "t"]);
      expect(
        received[0]?.headers.some(([name, value]) => /^x-request-id$/i.test(name) && value === "r-1"),
      ).toBe(true);
    }
  });

  test("tells a refusal of the prefill with its status, and asks nobody else", async () => {
    await using p = engine("prefill", { maxModelLen: 16 });
    await using d = engine("decode");
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    const answer = await ask(router);
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toStartWith("application/json");
    const body = await answer.text();
    expect(body).toContain(
      logic === ORCHESTRATED ? '{"error":"Prefill failed: {' : '"type":"prefiller_error","code":400',
    );
    expect(body).toContain("maximum context length is 16 tokens");
    expect(d.state().received).toBe(0);
    expect(await isIdle(router)).toBe(true);
  });

  test("tells a refusal of the engine that answers with its status", async () => {
    await using p = engine("prefill");
    await using d = engine("decode", { maxModelLen: 16 });
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    const answer = await ask(router, { stream: true });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(
      logic === ORCHESTRATED ? '{"error":"Decode failed: ' : '"type":"decoder_error","code":400',
    );
  });

  test("goes on with another engine where one that prefills cannot be reached, answers 503, or dies", async () => {
    await using p = engine("prefill");
    await using busy = engine("prefill");
    busy.setFault("status=503");
    await using dying = engine("prefill");
    dying.setFault("reset-after=0");
    await using d = engine("decode");
    await using router = route({ prefill: [DEAD, busy, dying, p], decode: [d] }, { logic, maxReroutes: 3 });
    for (let turn = 0; turn < 8; turn += 1) {
      const answer = await ask(router, { prompt: `${turn} ${PROMPT}`, stream: turn % 2 === 0 });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("text_completion")]);
    }
    expect(await isIdle(router)).toBe(true);
    expect((await metric(router, "vllm_router_retries_total")).length).toBe(1);
  });

  test("goes on with another engine where one that answers dies before its first byte", async () => {
    await using p = engine("prefill");
    await using dying = engine("decode");
    dying.setFault("reset-after=0");
    await using d = engine("decode");
    await using router = route({ prefill: [p], decode: [DEAD, dying, d] }, { logic, maxReroutes: 3 });
    for (let turn = 0; turn < 6; turn += 1) {
      const answer = await ask(router, { prompt: `${turn} ${PROMPT}`, stream: true });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("data: [DONE]")]);
    }
    expect(await isIdle(router)).toBe(true);
    expect(d.state().finished).toBe(6);
  });

  test("frees the engine when the client leaves during the prefill; the other one is not asked", async () => {
    await using p = engine("prefill", { timeScale: 1, prefillTokensPerSecond: 10 });
    await using d = engine("decode");
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    const leaving = new AbortController();
    const left = ask(router, {}, {}, leaving.signal).catch(() => "left");
    while (p.state().running === 0) await Bun.sleep(2);
    leaving.abort();
    expect(await left).toBe("left");
    while (p.state().running > 0) await Bun.sleep(2);
    expect([p.state().aborted, d.state().received]).toEqual([1, 0]);
    while (!(await isIdle(router))) await Bun.sleep(2);
  });

  test("frees the engine that answers when the client leaves while it streams", async () => {
    await using p = engine("prefill");
    await using d = engine("decode", { timeScale: 1, decodeMs: 20 });
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    const leaving = new AbortController();
    const answer = await ask(router, { stream: true, max_tokens: 1000 }, {}, leaving.signal);
    await answer.body?.getReader().read();
    leaving.abort();
    while (d.state().aborted === 0) await Bun.sleep(2);
    expect([p.state().running, d.state().running]).toEqual([0, 0]);
    while (!(await isIdle(router))) await Bun.sleep(2);
  });

  test.each([
    ["prefill", "PREFILL_SERVICE_UNAVAILABLE: No prefill endpoints discovered"],
    ["decode", "DECODE_SERVICE_UNAVAILABLE: No decode endpoints discovered"],
  ] as const)("answers 503 where no engine of the %s side is awake", async (side, detail) => {
    await using p = engine("prefill");
    await using d = engine("decode");
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    const engines = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
    const asleep = engines[side === "prefill" ? 0 : 1];
    expect((await fetch(`${router.url}/sleep?id=${asleep?.engine_id}`, { method: "POST" })).status).toBe(200);
    const answer = await ask(router);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ detail });
  });

  test("knows models: 404 for one that nobody serves, 400 for a body that is no JSON", async () => {
    await using p = engine("prefill");
    await using d = engine("decode");
    await using router = route({ prefill: [p], decode: [d] }, { logic });
    expect((await ask(router, { model: "other" })).status).toBe(404);
    const broken = await fetch(`${router.url}/v1/completions`, { method: "POST", body: "{" });
    expect([broken.status, await broken.json()]).toEqual([
      400,
      { error: "Invalid request: request body must be valid JSON." },
    ]);
  });
});

describe("what a prefill is asked", () => {
  test("and the engine that answers, to the byte", async () => {
    const bodies: string[] = [];
    using p = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        bodies.push(await request.text());
        return Response.json({
          usage: { prompt_tokens: 1, completion_tokens: 1 },
          kv_transfer_params: { remote_block_ids: [7], remote_host: "::" },
        });
      },
    });
    using d = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        bodies.push(await request.text());
        return Response.json({});
      },
    });
    const fleet = { prefill: [{ url: p.url.origin }], decode: [{ url: d.url.origin }] };
    const body =
      '{"model":"m", "prompt":"x", "min_tokens":3, "stream":true, "stream_options":{"include_usage":true}}';
    for (const logic of ["disaggregated_prefill", ORCHESTRATED] as const) {
      await using router = route(fleet, { logic });
      await (await fetch(`${router.url}/v1/completions`, { method: "POST", body })).text();
    }
    expect(bodies[0]).toBe('{"model":"m","prompt":"x","max_tokens":1,"stream":false}');
    expect(bodies[1]).toBe(body);
    expect(JSON.parse(bodies[2] ?? "")).toMatchObject({
      max_tokens: 1,
      kv_transfer_params: { do_remote_decode: true },
    });
    expect(JSON.parse(bodies[3] ?? "")).toEqual({
      ...(JSON.parse(body) as object),
      kv_transfer_params: { remote_block_ids: [7], remote_host: "127.0.0.1" },
    });
  });
});

test("parameters that match no prefill are refused by the engine, and the client learns of it", async () => {
  using p = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      Response.json({
        kv_transfer_params: {
          do_remote_prefill: true,
          remote_engine_id: "x",
          remote_block_ids: [1],
          remote_port: 9,
        },
      }),
  });
  await using d = engine("decode");
  await using router = route({ prefill: [{ url: p.url.origin }], decode: [d] });
  const answer = await ask(router);
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain("match no prefill");
});

test("an engine that prefills and hands over no parameters leaves the work to the one that answers", async () => {
  await using p = createMockEngine({ servedModelName: ["m"], timeScale: 0 }, { clock: systemClock });
  await using d = engine("decode");
  await using router = route({ prefill: [p], decode: [d] });
  expect((await ask(router)).status).toBe(200);
});

test("N prefill for M: work spreads over both sides", async () => {
  await using parts = new AsyncDisposableStack();
  const many = (role: "prefill" | "decode", count: number) =>
    Array.from({ length: count }, () => parts.use(engine(role, { timeScale: 20 })));
  const fleet = { prefill: many("prefill", 3), decode: many("decode", 2) };
  await using router = route(fleet);
  const answers = await Promise.all(
    Array.from({ length: 24 }, async (_, index) =>
      ask(router, { prompt: `${index} ${PROMPT}`, max_tokens: 20 }, { "x-request-id": `r-${index}` }),
    ),
  );
  for (const answer of answers)
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
  for (const each of fleet.prefill) expect(each.state().finished).toBeGreaterThan(3);
  for (const each of fleet.decode) expect(each.state().finished).toBeGreaterThan(6);
  for (let index = 0; index < 24; index += 1) expect(new Set(routed(router, `r-${index}`)).size).toBe(2);
});

test("the engine that holds the prefix answers alone", async () => {
  await using p = engine("prefill");
  await using d = engine("decode");
  await using router = route({ prefill: [p], decode: [d] });
  const long = PROMPT.repeat(6);
  await (await ask(router, { prompt: long, stream: true })).text();
  await (await ask(router, { prompt: `${long} And then?`, stream: true }, { "x-request-id": "r-2" })).text();
  expect(routed(router, "r-2")).toEqual([`None ${d.url}`]);
  expect(await metric(router, "vllm_router_routing_decisions_total")).toContain(
    `vllm_router_routing_decisions_total{model="m",reason="held",server="${d.url}"} 1`,
  );
});

test("engines of one side that fail are ejected, and tried again where all of that side are", async () => {
  await using p = engine("prefill");
  await using d = engine("decode");
  p.setFault("status=500");
  const outliers: Config["outliers"] = {
    breaker: { failureThreshold: 2, successThreshold: 1, ejectionMs: 60_000, windowMs: 60_000 },
    slowStartMs: 0,
    panicMode: "route",
  };
  await using router = route({ prefill: [p], decode: [d] }, { outliers });
  for (let turn = 0; turn < 4; turn += 1) {
    const answer = await ask(router);
    expect(answer.status).toBe(500);
    expect(await answer.text()).toStartWith('{"error":"Prefill failed: ');
  }
  p.setFault(undefined);
  expect((await ask(router)).status).toBe(200);
});
