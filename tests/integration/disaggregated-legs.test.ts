import { describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { createMockEngine } from "../../src/mock-engine/engine.ts";
import { systemClock } from "../../src/platform.ts";
import { routingBy } from "../../src/routing/index.ts";
import {
  ask,
  engine,
  isIdle,
  LABELS,
  metric,
  ORCHESTRATED,
  PROMPT,
  route,
  routed,
} from "../support/divided-fleet.ts";
import { startRouter } from "../support/router.ts";

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
  await using other = engine("prefill");
  using p = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      Response.json({
        kv_transfer_params: {
          do_remote_prefill: true,
          remote_engine_id: "x",
          remote_block_ids: [1],
          remote_port: other.port,
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

test("an engine that prefills and hangs is given up at the limit, and another one takes over", async () => {
  await using hanging = engine("prefill");
  hanging.setFault("hang");
  await using p = engine("prefill");
  await using d = engine("decode");
  const fleet = { prefill: [hanging, p], decode: [d] };
  await using router = route(fleet, { maxReroutes: 1, deadlines: { firstChunkMs: 200 } });
  for (let turn = 0; turn < 4; turn += 1) {
    const answer = await ask(router, { prompt: `${turn} ${PROMPT}`, stream: true });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("data: [DONE]")]);
  }
  expect(await isIdle(router)).toBe(true);
});

test("a router that takes over finishes what its predecessor divided, and knows who holds what", async () => {
  await using p = engine("prefill");
  await using d = engine("decode");
  const long = PROMPT.repeat(6);
  await using first = route({ prefill: [p], decode: [d] });
  await (await ask(first, { prompt: long, stream: true })).text();
  await using second = route({ prefill: [p], decode: [d] }, { previous: first.router.legacy() });
  await (await ask(second, { prompt: `${long} And then?`, stream: true })).text();
  expect(routed(second)).toEqual([`None ${d.url}`]);
});

test("an engine whose label only contains one of the labels gets nothing", async () => {
  await using p = engine("prefill");
  await using other = engine("decode");
  await using d = engine("decode");
  await using router = startRouter({
    backends: [
      { url: p.url, models: ["m"], label: "prefill" },
      { url: other.url, models: ["m"], label: "decode-2" },
      { url: d.url, models: ["m"], label: "decode" },
    ],
    routing: routingBy(ORCHESTRATED, LABELS),
  });
  for (let turn = 0; turn < 4; turn += 1) expect((await ask(router)).status).toBe(200);
  expect([other.state().received, d.state().finished]).toEqual([0, 4]);
});

test.each([
  ["is no JSON", () => new Response("<html>"), "upstream_invalid"],
  ["is a redirect", () => Response.redirect("http://127.0.0.1:9/", 307), "upstream_invalid"],
  ["is longer than any", () => new Response("x".repeat(300 * 1024)), "upstream_invalid"],
])("a prefill whose answer %s fails the request and leaves no load behind", async (_what, respond, code) => {
  using p = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: respond });
  await using d = engine("decode");
  await using router = route({ prefill: [{ url: p.url.origin }], decode: [d] });
  const answer = await ask(router);
  expect([answer.status, await answer.json()]).toMatchObject([502, { error: { code } }]);
  expect(d.state().received).toBe(0);
  expect(await isIdle(router)).toBe(true);
});

test("a body with more fields than are followed is refused, and leaves no load behind", async () => {
  await using p = engine("prefill");
  await using d = engine("decode");
  await using router = route({ prefill: [p], decode: [d] });
  for (const count of [9_998, 9_999, 10_000, 10_001]) {
    const body = `{"model":"m","prompt":"x"${',"stream":true'.repeat(count - 2)}}`;
    const answer = await fetch(`${router.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    await answer.text();
    expect([200, 400]).toContain(answer.status);
    expect(await isIdle(router)).toBe(true);
  }
});

test("limits of requests for each engine hold on both sides", async () => {
  await using p = engine("prefill", { timeScale: 10 });
  await using d = engine("decode", { timeScale: 10 });
  const admission = { maxConcurrent: 100, maxPerEngine: 1, queueSize: 50, queueTimeoutMs: 30_000 };
  await using router = route({ prefill: [p], decode: [d] }, { admission });
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => ask(router, { prompt: `${index} ${PROMPT}` })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
  for (const answer of answers) await answer.text();
  expect([p.state().finished, d.state().finished]).toEqual([8, 8]);
  expect(await isIdle(router)).toBe(true);
});

test("an engine that is gone after its prefill costs a request nothing: another one computes it anew", async () => {
  await using spare = engine("prefill");
  await using one = engine("decode");
  await using two = engine("decode");
  let wake: () => Promise<unknown> = async () => undefined;
  using dying = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async ({ url }, server): Promise<Response> => {
      await wake();
      void server.stop();
      const remote_port = Number(new URL(url).port);
      const place = { remote_engine_id: "x", remote_block_ids: [1], remote_port };
      const body = { kv_transfer_params: { do_remote_prefill: true, ...place } };
      return Response.json(body, { headers: { connection: "close" } });
    },
  });
  const fleet = { prefill: [{ url: dying.url.origin }, spare], decode: [one, two] };
  await using router = route(fleet, { maxReroutes: 2 });
  const engines = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
  const tell = async (what: string) =>
    fetch(`${router.url}/${what}?id=${engines[1]?.engine_id}`, { method: "POST" });
  await tell("sleep");
  wake = async () => tell("wake_up");
  const answer = await ask(router, { stream: true });
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("data: [DONE]")]);
  expect(spare.state()).toMatchObject({ finished: 1, keptPrompts: 0 });
  expect(one.state().finished + two.state().finished).toBe(1);
  expect(await isIdle(router)).toBe(true);
});
