import { expect, test } from "bun:test";
import type { ConfiguredBackend } from "../src/config/backends.ts";
import type { Config } from "../src/config/config.ts";
import type { RouterLegacy } from "../src/router-legacy.ts";
import { createRouter, type Router } from "../src/router.ts";
import type { EngineFetch } from "../src/core/engine-fetch.ts";
import { createTestLog, hanging, serving } from "./discovery/engines.ts";
import { createTestClock, settle } from "./support/clock.ts";
import { routingBy } from "../src/routing/index.ts";

const A = "http://10.0.0.1:8000";
const B = "http://10.0.0.2:8000";
const C = "http://10.0.0.3:8000";

const configFor = (
  backends: readonly ConfiguredBackend[],
  routing: Config["routing"] = routingBy("roundrobin"),
): Config => ({
  server: { host: "127.0.0.1", port: 0, maxRequestBodyBytes: 1_000_000, idleTimeoutSeconds: 30 },
  leaving: { delayMs: 0, timeoutMs: 0 },
  log: { level: "info", format: "text" },
  discovery: { kind: "static", backends },
  aliases: new Map(),
  routing,
  maxReroutes: 0,
  requestStatsWindowSeconds: 60,
  countsStreams: false,
});

const serve = (url: string) => ({ url, models: ["m"] });

type Answer = () => Response | Promise<Response>;

const lend = () => {
  const clock = createTestClock();
  const { log } = createTestLog(clock);
  const answers = new Map<string, Answer>();
  const chosen: string[] = [];
  const platform = {
    clock,
    log,
    fetch: (async (url, { signal }) => {
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      return Promise.race([answers.get(new URL(url).origin)?.() ?? Response.json({}), aborted]);
    }) satisfies EngineFetch,
    reach: async () => true,
    random: () => 0,
    onRouted: ({ endpoint }: { readonly endpoint: { readonly url: string } }) => chosen.push(endpoint.url),
  };
  const create = (config: Config, previous?: RouterLegacy) => createRouter(config, platform, previous);
  return { create, chosen, answer: (url: string, how: Answer) => answers.set(url, how) };
};

const send = async (router: Router, path: string, init: RequestInit = {}): Promise<Response> => {
  const headers = { host: "router", "content-type": "application/json" };
  return router.fetch(new Request(`http://router${path}`, { headers, ...init }), { timeout: () => {} });
};

/** The status of a chat whose answer is read to its end. */
const chat = async (router: Router, model = "m"): Promise<number> => {
  const body = JSON.stringify({ model, messages: [] });
  const response = await send(router, "/v1/chat/completions", { method: "POST", body });
  await response.text();
  return response.status;
};

const engineIds = async (router: Router): Promise<readonly string[]> => {
  const list = (await (await send(router, "/engines")).json()) as { readonly engine_id: string }[];
  return list.map(({ engine_id: id }) => id);
};

test("what further attempts have drawn on is no less drawn on afterwards: reloads make no outage worse", async () => {
  const { create, chosen, answer } = lend();
  for (const url of [A, B]) answer(url, () => Response.json({}, { status: 503 }));
  const config = { ...configFor([serve(A), serve(B)]), maxReroutes: 1 };
  await using first = create(config);
  for (let count = 0; count < 20; count += 1) expect(await chat(first)).toBe(503);
  // Ten further attempts in ten seconds are what so few requests may make.
  expect(chosen).toHaveLength(30);
  await using second = create({ ...config, requestStatsWindowSeconds: 30 }, first.legacy());
  await first[Symbol.asyncDispose]();
  for (let count = 0; count < 5; count += 1) await chat(second);
  expect(chosen).toHaveLength(35);
});

test("turns go on where the routing is the same, and begin anew where it is not", async () => {
  const { create, chosen } = lend();
  const backends = [serve(A), serve(B), serve(C)];
  const config = configFor(backends);
  await using first = create(config);
  await chat(first);
  await using second = create({ ...config, maxReroutes: 1 }, first.legacy());
  await first[Symbol.asyncDispose]();
  await chat(second);
  await using third = create(
    configFor(backends, routingBy("roundrobin", { sessionKey: "x-user" })),
    second.legacy(),
  );
  await chat(third);
  expect(chosen).toEqual([A, B, A]);
});

test("an engine that told its models serves them before it is asked again", async () => {
  const { create, answer } = lend();
  answer(A, serving("told"));
  await using first = create(configFor([{ url: A }]));
  await settle();
  answer(A, hanging);
  await using second = create(configFor([{ url: A }, serve(B)]), first.legacy());
  const cards = (await (await send(second, "/v1/models")).json()) as { data: { id: string }[] };
  expect(cards.data.map(({ id }) => id).sort()).toEqual(["m", "told"]);
});

test("an engine that sleeps sleeps on, and is told awake by either router", async () => {
  const { create } = lend();
  await using first = create(configFor([serve(A)]));
  const [id = ""] = await engineIds(first);
  expect((await send(first, `/sleep?id=${id}`, { method: "POST" })).status).toBe(200);
  await using second = create(configFor([serve(A)]), first.legacy());
  expect(await chat(second)).toBe(503);
  expect((await send(first, `/wake_up?id=${id}`, { method: "POST" })).status).toBe(200);
  expect(await chat(second)).toBe(200);
});

test("an engine that left is awake when it comes back", async () => {
  const { create } = lend();
  await using first = create(configFor([serve(A)]));
  const [id = ""] = await engineIds(first);
  await send(first, `/sleep?id=${id}`, { method: "POST" });
  await using second = create(configFor([serve(B)]), first.legacy());
  await using third = create(configFor([serve(A)]), second.legacy());
  expect(await chat(third)).toBe(200);
});

test("requests of the router that was replaced are counted until they end, and close no account of others", async () => {
  const { create, answer } = lend();
  const { promise: answered, resolve } = Promise.withResolvers<Response>();
  answer(A, async () => answered);
  await using first = create(configFor([serve(A)]));
  const asked = chat(first);
  await settle();
  const idOf = (router: Router, url: string) =>
    router.legacy().engines.endpoints.find((endpoint) => endpoint.url === url)?.id ?? "";
  const a = idOf(first, A);
  await using second = create(configFor([serve(B)]), first.legacy());
  await first[Symbol.asyncDispose]();
  expect(await chat(second)).toBe(200);
  const { requests } = second.legacy().engines;
  const ofB = requests.of(idOf(second, B));
  expect([requests.of(a).inPrefill, ofB.qps]).toEqual([1, 1 / 60]);
  // A change that makes the first router join its parts anew.
  first.legacy().engines.sleep.set("another", true);
  await chat(first, "unknown");
  expect(requests.of(idOf(second, B))).toBe(ofB);
  resolve(Response.json({}));
  expect(await asked).toBe(200);
  expect(requests.of(a).inPrefill + requests.of(a).inDecode).toBe(0);
});
