import { describe, expect, test } from "bun:test";
import {
  ask,
  DEAD,
  engine,
  isIdle,
  metric,
  ORCHESTRATED,
  PROMPT,
  route,
  routed,
} from "../support/divided-fleet.ts";

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
    expect(answer.headers.get("retry-after")).toBe("5");
    expect(await answer.json()).toEqual({ detail });
    expect((await fetch(`${router.url}/readyz`)).status).toBe(503);
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
