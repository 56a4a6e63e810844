import { describe, expect, test } from "bun:test";
import { digestOf } from "../../src/access/keys.ts";
import { createMockEngine } from "../../src/mock-engine/engine.ts";
import { engineFetch, systemClock } from "../../src/platform.ts";
import { policies, routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

const PROMPT = "It was a dark and stormy night. ".repeat(100);
const logics = Object.keys(policies) as RoutingLogic[];
const options = { sessionKey: "x-user-id", prefillModelLabels: ["p"], decodeModelLabels: ["d"] };

const engine = () =>
  createMockEngine({ servedModelName: ["m"], timeScale: 0 }, { clock: systemClock, fetch: engineFetch });

interface Row {
  readonly engine_id: string;
  readonly url: string;
  readonly state: string;
  readonly matched_tokens?: number;
  readonly cost?: number;
}

interface Explained {
  readonly model: string;
  readonly decision: { readonly kind: string; readonly url?: string; readonly reason: string } | null;
  readonly cost_unit?: string;
  readonly prompt_tokens?: number;
  readonly error?: { readonly code: string };
  readonly candidates: readonly Row[];
  readonly left_out: readonly Row[];
  readonly prefill?: Explained;
}

const post = async (url: string, fields: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "m", max_tokens: 2, ...fields }),
  });

const explain = async ({ url }: TestRouter, fields: object): Promise<Explained> => {
  const answer = await post(`${url}/debug/route`, fields);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Explained;
};

describe.each(logics)("with %s", (logic) => {
  test("the engine that is told is the one that answers, and asking sends nothing", async () => {
    await using one = engine();
    await using two = engine();
    await using three = engine();
    const labels = ["p", "d", "d"];
    await using router = startRouter({
      backends: [one, two, three].map(({ url }, index) => ({
        url,
        models: ["m"],
        label: labels[index] ?? "",
      })),
      routing: routingBy(logic, options),
      answerFields: { endpoint: true, reason: true, serverTiming: false },
    });
    // What it holds afterwards tells the engines apart.
    const user = { "x-user-id": "u" };
    await (await post(`${router.url}/v1/completions`, { prompt: PROMPT }, user)).text();
    const received = () => [one, two, three].map((each) => each.state().received);
    const before = received();
    const explained = await explain(router, { prompt: PROMPT, "x-user-id": "u" });
    for (let turn = 0; turn < 3; turn += 1)
      expect((await explain(router, { prompt: PROMPT, "x-user-id": "u" })).decision).toEqual(
        explained.decision,
      );
    expect(received()).toEqual(before);

    expect(explained.candidates.every(({ state }) => state === "serving")).toBe(true);
    if (!explained.decision) return expect(logic).toBe("poweroftwo");
    expect(explained.decision.reason).not.toBe("");
    const answer = await post(`${router.url}/v1/completions`, { prompt: PROMPT }, user);
    await answer.text();
    const chosen = explained.candidates.find(({ url }) => url === explained.decision?.url);
    // Of equals the first is told and one is drawn.
    const equals = explained.candidates.filter(
      (row) => row === chosen || (row.cost !== undefined && row.cost === chosen?.cost),
    );
    expect(equals.map((row) => row.engine_id)).toContain(answer.headers.get("x-vllm-router-endpoint") ?? "");
  });
});

test("a row for each candidate tells what the policy compares", async () => {
  await using one = engine();
  await using two = engine();
  const backends = [one, two].map(({ url }) => ({ url, models: ["m"] }));
  await using router = startRouter({ backends, routing: routingBy("cacheaware"), aliases: { smart: "m" } });
  await (await post(`${router.url}/v1/completions`, { prompt: PROMPT })).text();
  const { model, decision, candidates, ...rest } = await explain(router, { model: "smart", prompt: PROMPT });
  const holder = candidates.find((row) => row.url === decision?.url);
  const other = candidates.find((row) => row.url !== decision?.url);
  expect([model, candidates.length, rest.cost_unit, rest.left_out]).toEqual(["m", 2, "ms", []]);
  expect(holder?.matched_tokens).toBeGreaterThan(0.9 * (rest.prompt_tokens ?? Infinity));
  expect(other?.matched_tokens).toBe(0);
  expect(holder?.cost).toBeLessThan(other?.cost ?? 0);
});

test("engines that cannot serve are told with their state; where none can, the error that a client would get", async () => {
  await using one = engine();
  await using two = engine();
  const backends = [one, two].map(({ url }) => ({ url, models: ["m"] }));
  await using router = startRouter({ backends, routing: routingBy("leastload") });
  const [first, second] = (await explain(router, {})).candidates;
  await fetch(`${router.url}/sleep?id=${first?.engine_id}`, { method: "POST" });
  expect(await explain(router, {})).toMatchObject({
    decision: { url: second?.url },
    left_out: [{ url: first?.url, state: "asleep" }],
  });
  await fetch(`${router.url}/sleep?id=${second?.engine_id}`, { method: "POST" });
  expect(await explain(router, {})).toMatchObject({
    decision: null,
    error: { code: "no_endpoint" },
    candidates: [],
  });
  expect(await explain(router, { model: "x" })).toMatchObject({
    error: { code: "model_not_found" },
    left_out: [],
  });
});

test("both sides of a divided request are told", async () => {
  await using p = engine();
  await using d = engine();
  await using router = startRouter({
    backends: [
      { url: p.url, models: ["m"], label: "p" },
      { url: d.url, models: ["m"], label: "d" },
    ],
    routing: routingBy("disaggregated_prefill", options),
  });
  const explained = await explain(router, { prompt: PROMPT });
  expect(explained).toMatchObject({
    decision: { kind: "disaggregated" },
    candidates: [{ url: d.url }],
    prefill: { decision: { kind: "single", url: p.url }, candidates: [{ url: p.url }], cost_unit: "ms" },
    left_out: [],
  });
});

describe("the route", () => {
  const given = { backends: [{ url: "http://127.0.0.1:9", models: ["m"] }] };

  test("refuses what would be refused, in the same words", async () => {
    await using router = startRouter(given);
    const answer = await fetch(`${router.url}/debug/route`, { method: "POST", body: "[]" });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error: "Invalid request: request body must be a JSON object." },
    ]);
  });

  test("is not there where everybody can reach the router, unless it has keys", async () => {
    const ask = async (router: TestRouter, headers = {}) =>
      (await post(`${router.url}/debug/route`, {}, headers)).status;
    await using open = startRouter({ ...given, host: "0.0.0.0" });
    expect(await ask(open)).toBe(404);
    const access = {
      keys: [{ name: "k", digest: Buffer.from(digestOf("sk-1")).toString("hex") }],
      files: [],
    };
    await using guarded = startRouter({ ...given, host: "0.0.0.0", access });
    expect(await ask(guarded)).toBe(401);
    expect(await ask(guarded, { authorization: "Bearer sk-1" })).toBe(200);
  });

  test("is on the admin listener, and then only there", async () => {
    await using router = startRouter({ ...given, host: "0.0.0.0", admin: true });
    expect((await post(`${router.url}/debug/route`, {})).status).toBe(404);
    using admin = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: router.router.admin });
    expect((await post(`${admin.url.origin}/debug/route`, {})).status).toBe(200);
  });
});
