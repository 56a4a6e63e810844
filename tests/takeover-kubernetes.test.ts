import { describe, expect, test } from "bun:test";
import type { Config } from "../src/config/config.ts";
import type { RouterLegacy } from "../src/router-legacy.ts";
import { createRouter, type Router } from "../src/router.ts";
import { createMemoryCluster, inCluster } from "./discovery/cluster.ts";
import { createFakeEngines, createTestLog, hanging, serving } from "./discovery/engines.ts";
import { pod } from "./discovery/objects.ts";
import { createTestClock, settle } from "./support/clock.ts";
import { routingBy } from "../src/routing/index.ts";

type Discovery = Config["discovery"];

const configFor = (discovery: Discovery): Config => ({
  server: { host: "127.0.0.1", port: 0, maxRequestBodyBytes: 1_000_000, idleTimeoutSeconds: 30 },
  leaving: { delayMs: 0, timeoutMs: 0 },
  log: { level: "info", format: "text" },
  discovery,
  aliases: new Map(),
  routing: routingBy("roundrobin"),
  maxReroutes: 0,
  requestStatsWindowSeconds: 60,
  countsStreams: false,
});

const urlOf = (nth: number): string => `http://10.0.0.${nth}:8000`;

/** A cluster with pods 1 to `count`, and routers in it. */
const lend = (count: number) => {
  const clock = createTestClock();
  const cluster = createMemoryCluster(clock);
  const engines = createFakeEngines(clock);
  const { log, lines } = createTestLog(clock);
  const put = (nth: number, labels: Readonly<Record<string, string>> = {}): void => {
    engines.answer(urlOf(nth), serving("m"));
    engines.answer(urlOf(nth), () => Response.json({ by: nth }), "/v1/chat/completions");
    for (const path of ["/sleep", "/wake_up"]) engines.answer(urlOf(nth), () => new Response(), path);
    cluster.put("pods", pod(`pod-${nth}`, { ip: `10.0.0.${nth}`, labels }));
  };
  for (let nth = 1; nth <= count; nth += 1) put(nth);
  const platform = {
    clock,
    log,
    fetch: engines.fetch,
    reach: async () => true,
    random: () => 0.5,
    kubernetes: cluster.api,
  };
  const create = (discovery: Discovery, previous?: RouterLegacy) =>
    createRouter(configFor(discovery), platform, previous);
  const calm = async (): Promise<void> => {
    for (let turn = 0; turn < 6; turn += 1) await settle();
  };
  return { clock, cluster, engines, lines, put, create, calm };
};

const send = async (router: Router, path: string, init: RequestInit = {}): Promise<Response> => {
  const headers = { host: "router", "content-type": "application/json" };
  return router.fetch(new Request(`http://router${path}`, { headers, ...init }), { timeout: () => {} });
};

const chat = async (router: Router): Promise<number> => {
  const body = JSON.stringify({ model: "m", messages: [] });
  const { status } = await send(router, "/v1/chat/completions", { method: "POST", body });
  return status;
};

const engineIds = async (router: Router): Promise<readonly string[]> => {
  const list = (await (await send(router, "/engines")).json()) as { readonly engine_id: string }[];
  return list.map(({ engine_id: id }) => id).sort();
};
const idsOf = (...nths: readonly number[]): string[] =>
  nths.map((nth) => Bun.randomUUIDv5(`pod-${nth}`, "dns")).sort();

describe("a router that takes over in a cluster", () => {
  test("serves from the first moment, and asks nobody before", async () => {
    const { engines, create, calm } = lend(2);
    await using first = create(inCluster);
    await calm();
    expect(await engineIds(first)).toEqual(idsOf(1, 2));
    for (const nth of [1, 2]) engines.answer(urlOf(nth), hanging);
    await using second = create({ ...inCluster, watchTimeoutSeconds: 60 }, first.legacy());
    expect([await engineIds(second), await chat(second)]).toEqual([idsOf(1, 2), 200]);
    await first[Symbol.asyncDispose]();
    await calm();
    expect([await engineIds(second), await chat(second)]).toEqual([idsOf(1, 2), 200]);
  });

  test("knows after its first list what went on meanwhile", async () => {
    const { cluster, put, create, calm } = lend(3);
    await using first = create(inCluster);
    await calm();
    const legacy = first.legacy();
    await first[Symbol.asyncDispose]();
    cluster.remove("pods", "pod-1");
    put(4);
    await using second = create(inCluster, legacy);
    await calm();
    expect(await engineIds(second)).toEqual(idsOf(2, 3, 4));
  });

  test("goes on with what it knows where the API does not answer", async () => {
    const { clock, cluster, create, calm } = lend(2);
    await using first = create(inCluster);
    await calm();
    cluster.setDown(true);
    await using second = create(inCluster, first.legacy());
    await first[Symbol.asyncDispose]();
    for (let second_ = 0; second_ < 60; second_ += 1) {
      clock.advance(1000);
      await calm();
    }
    expect([await engineIds(second), await chat(second)]).toEqual([idsOf(1, 2), 200]);
  });

  test("passes from engines of a list to those of a cluster without a gap", async () => {
    const { create, calm } = lend(2);
    await using first = create({ kind: "static", backends: [{ url: urlOf(1), models: ["m"] }] });
    await using second = create(inCluster, first.legacy());
    expect(await chat(second)).toBe(200);
    await calm();
    expect([await engineIds(second), await chat(second)]).toEqual([idsOf(1, 2), 200]);
  });

  test("remembers what was ever served there: that is unavailable, and the rest is unknown", async () => {
    const { cluster, create, calm } = lend(1);
    await using first = create(inCluster);
    await calm();
    cluster.remove("pods", "pod-1");
    await calm();
    await using second = create({ ...inCluster, port: 8000, watchTimeoutSeconds: 9 }, first.legacy());
    await calm();
    expect(await chat(second)).toBe(503);
    const body = JSON.stringify({ model: "other", messages: [] });
    expect((await send(second, "/v1/chat/completions", { method: "POST", body })).status).toBe(404);
  });
});

describe("POST /sleep", () => {
  test("of one router takes the engine out of all of them, and POST /wake_up brings it back", async () => {
    const { create, calm } = lend(2);
    await using one = create(inCluster);
    await using other = create(inCluster);
    await calm();
    const [id = ""] = idsOf(1);
    expect(await (await send(one, `/sleep?id=${id}`, { method: "POST" })).json()).toEqual({
      status: "success",
    });
    await calm();
    const served = async (router: Router): Promise<unknown> => {
      const body = JSON.stringify({ model: "m" });
      return (await send(router, "/v1/chat/completions", { method: "POST", body })).json();
    };
    for (const router of [one, other, one, other]) expect(await served(router)).toEqual({ by: 2 });
    await send(other, `/wake_up?id=${id}`, { method: "POST" });
    await calm();
    for (const router of [one, other]) {
      expect([await served(router), await served(router)]).toContainEqual({ by: 1 });
    }
  });

  test("sleeps through a reload, labelled or not", async () => {
    const { cluster, create, calm } = lend(1);
    cluster.forbidPatches();
    await using first = create(inCluster);
    await calm();
    const [id = ""] = idsOf(1);
    expect((await send(first, `/sleep?id=${id}`, { method: "POST" })).status).toBe(200);
    expect(await chat(first)).toBe(503);
    await using second = create({ ...inCluster, watchTimeoutSeconds: 5 }, first.legacy());
    await calm();
    expect(await chat(second)).toBe(503);
  });
});

test("GET /metrics and /readyz?verbose tell how well the cluster is known", async () => {
  const { clock, cluster, create, calm } = lend(2);
  cluster.put("pods", pod("pod-9", { ready: [false] }));
  cluster.put("pods", pod("pod-8", { ip: "10.0.0.8" }));
  await using router = create(inCluster);
  await calm();
  cluster.setDown(true);
  clock.advance(700);
  await calm();
  const text = await (await send(router, "/metrics")).text();
  for (const line of [
    "vllm_router_discovery_synced 1",
    "vllm_router_discovery_staleness_seconds 0.7",
    'vllm_router_discovery_engines{state="serving"} 2',
    'vllm_router_discovery_engines{state="waiting"} 1',
    'vllm_router_discovery_engines{state="unready"} 1',
  ])
    expect(text).toContain(`\n${line}\n`);
  const ready: unknown = await (await send(router, "/readyz?verbose")).json();
  expect(ready).toMatchObject({
    discovery: { synced: true, seconds_since_contact: 0.7, engines: { serving: 2, waiting: 1, unready: 1 } },
  });
  await using next = create(
    { kind: "static", backends: [{ url: urlOf(1), models: ["m"] }] },
    router.legacy(),
  );
  expect(await (await send(next, "/metrics")).text()).not.toMatch(
    /^vllm_router_discovery_(synced|stale|engines)/m,
  );
});
