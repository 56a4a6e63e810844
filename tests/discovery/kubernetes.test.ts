import { describe, expect, test } from "bun:test";
import { createKubernetesDiscovery, type KubernetesOptions } from "../../src/discovery/kubernetes.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { createMemoryCluster, inCluster, type MemoryCluster } from "./cluster.ts";
import { createFakeEngines, createTestLog, serving } from "./engines.ts";
import { pod, type PodSketch } from "./objects.ts";

const ipOf = (nth: number): string => `10.0.0.${nth}`;
const urlOf = (nth: number): string => `http://${ipOf(nth)}:8000`;

/** A cluster with so many pods that are ready, and whoever follows it, in virtual time. */
const start = async (
  count: number,
  options: Partial<KubernetesOptions> = {},
  prepare: (cluster: MemoryCluster) => void = () => {},
) => {
  const clock = createTestClock();
  const cluster = createMemoryCluster(clock);
  const engines = createFakeEngines(clock);
  const { log, lines } = createTestLog(clock);
  const sleep = createSleepStates();
  const failures: Error[] = [];
  const putPod = (nth: number, sketch: PodSketch = {}): void =>
    cluster.put("pods", pod(`pod-${nth}`, { ip: ipOf(nth), ...sketch }));
  for (let nth = 0; nth < 40; nth += 1) engines.answer(urlOf(nth), serving("m"));
  for (let nth = 0; nth < count; nth += 1) putPod(nth);
  prepare(cluster);
  const discovery = createKubernetesDiscovery(
    { ...inCluster, ...options },
    {
      api: cluster.api,
      clock,
      log,
      sleep,
      fetch: engines.fetch,
      random: () => 0.5,
      known: [],
      seen: new Set(),
      onFailure: (error) => failures.push(error),
    },
  );
  const pass = async (ms: number, stepMs = 250): Promise<void> => {
    for (let turn = 0; turn < 4; turn += 1) await settle();
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(Math.min(stepMs, ms - passed));
      for (let turn = 0; turn < 4; turn += 1) await settle();
    }
  };
  await pass(0);
  const urls = () => discovery.endpoints.map(({ url }) => url).sort();
  const lists = () => cluster.calls.filter(({ what }) => what.startsWith("list")).length;
  return { clock, cluster, engines, lines, sleep, failures, putPod, discovery, pass, urls, lists };
};

const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => urlOf(from + index)).sort();

describe("a pod", () => {
  test("that becomes ready, unready, ready and leaves the selector is followed at once", async () => {
    const { putPod, pass, urls, discovery } = await start(2);
    expect(urls()).toEqual(range(0, 2));
    putPod(2, { ready: [false], ip: "" });
    await pass(0);
    expect(urls()).toEqual(range(0, 2));
    putPod(2);
    await pass(0);
    expect(urls()).toEqual(range(0, 3));
    putPod(0, { ip: "" });
    putPod(1, { deletedAt: "2026-11-23T01:27:16Z" });
    await pass(0);
    expect(urls()).toEqual([urlOf(2)]);
    putPod(0);
    await pass(0);
    expect(urls()).toEqual([urlOf(0), urlOf(2)]);
    putPod(2, { labels: { environment: "prod" } });
    await pass(0);
    expect(urls()).toEqual([urlOf(0)]);
    putPod(2);
    await pass(0);
    expect(urls()).toEqual([urlOf(0), urlOf(2)]);
    await discovery[Symbol.asyncDispose]();
  });

  test("keeps its models known when it is gone", async () => {
    const { cluster, pass, urls, discovery } = await start(1);
    cluster.remove("pods", "pod-0");
    await pass(0);
    expect(urls()).toEqual([]);
    expect([discovery.hasSeen("m"), discovery.hasSeen("other")]).toEqual([true, false]);
    await discovery[Symbol.asyncDispose]();
  });

  test("is probed with the time that is configured", async () => {
    const { engines, putPod, pass, lines, discovery } = await start(0, { askTimeoutSeconds: 3 });
    engines.answer(urlOf(0), async () => Promise.withResolvers<Response>().promise);
    putPod(0);
    await pass(3000);
    expect(lines.join("")).toContain(`Engine ${urlOf(0)} does not tell its models: no answer in 3000 ms`);
    await discovery[Symbol.asyncDispose]();
  });
});

describe("a watch that ends", () => {
  test("goes on without another list", async () => {
    const { cluster, putPod, pass, urls, lists, discovery } = await start(2);
    await pass(6000);
    cluster.endWatches();
    await pass(0);
    putPod(2);
    await pass(0);
    expect(urls()).toEqual(range(0, 3));
    expect(lists()).toBe(1);
    await discovery[Symbol.asyncDispose]();
  });

  test("with 410 leads to a list that finds every deletion, and nobody is lost meanwhile", async () => {
    const { cluster, putPod, pass, urls, discovery } = await start(4);
    const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
    cluster.endWatches({ type: "ERROR", object: status });
    cluster.remove("pods", "pod-3");
    putPod(4);
    await pass(0);
    expect(urls()).toEqual(range(0, 4));
    await pass(12_000);
    expect(urls()).toEqual([...range(0, 3), urlOf(4)].sort());
    await discovery[Symbol.asyncDispose]();
  });
});

describe("while the API is away for 10 minutes", () => {
  test("nothing changes, and one list after its return the truth is known", async () => {
    const { cluster, putPod, pass, urls, lists, lines, failures, discovery } = await start(10);
    const { endpoints } = discovery;
    cluster.setDown(true);
    await pass(600_000, 1000);
    expect(discovery.endpoints).toBe(endpoints);
    expect(lists()).toBeLessThanOrEqual(61);
    expect(failures.length).toBeGreaterThan(20);
    expect(failures[0]?.message).toContain("connection refused");
    expect(lines.filter((line) => line.includes("ERROR"))).toHaveLength(1);
    const { isSynced, staleMs = 0, error } = discovery.status?.() ?? {};
    expect([isSynced, error]).toEqual([true, "connection refused"]);
    expect(staleMs).toBeGreaterThanOrEqual(600_000);

    for (let nth = 0; nth < 10; nth += 1) cluster.remove("pods", `pod-${nth}`);
    for (let nth = 20; nth < 30; nth += 1) putPod(nth);
    cluster.setDown(false);
    const before = lists();
    await pass(30_000);
    expect(urls()).toEqual(range(20, 30));
    expect(lists()).toBe(before + 1);
    expect(discovery.status?.()).toMatchObject({ isSynced: true, engines: { serving: 10 } });
    await discovery[Symbol.asyncDispose]();
  });

  test("an empty list at its return takes out nobody who still answers", async () => {
    const { cluster, engines, pass, urls, discovery } = await start(4);
    cluster.setDown(true);
    await pass(60_000, 1000);
    for (let nth = 0; nth < 4; nth += 1) cluster.remove("pods", `pod-${nth}`);
    engines.answer(urlOf(3), () => new Response("gone", { status: 502 }));
    cluster.setDown(false);
    await pass(30_000);
    expect(urls()).toEqual(range(0, 3));
    await discovery[Symbol.asyncDispose]();
  });

  test("from the start on, it is asked again until it is there", async () => {
    const { cluster, pass, urls, discovery } = await start(2, {}, ({ setDown }) => setDown(true));
    await pass(600_000, 1000);
    expect(urls()).toEqual([]);
    expect(discovery.status?.()).toMatchObject({ isSynced: false, error: "connection refused" });
    expect(discovery.status?.()).not.toHaveProperty("staleMs");
    cluster.setDown(false);
    await pass(30_000);
    expect(urls()).toEqual(range(0, 2));
    await discovery[Symbol.asyncDispose]();
  });
});

describe("services", () => {
  const service = (name: string) => ({
    metadata: { name, uid: `uid-of-${name}`, labels: { environment: "test" } },
    spec: { clusterIP: "10.96.0.1", ports: [{ port: 8000 }], selector: { model: "opt" } },
  });
  const addresses = (name: string, count: number) => ({
    metadata: { name, uid: `uid-of-endpoints-${name}` },
    ...(count > 0 && { subsets: [{ addresses: [{ ip: "10.0.0.1" }] }] }),
  });

  test("join when a pod behind them is ready, and their models stay known", async () => {
    const { cluster, engines, pass, urls, discovery, sleep } = await start(1, { type: "service-name" });
    engines.answer("http://vllm:8000", serving("m"));
    cluster.put("services", service("vllm"));
    cluster.put("endpoints", addresses("vllm", 0));
    await pass(1000);
    expect(urls()).toEqual([]);
    cluster.put("endpoints", addresses("vllm", 1));
    await pass(0);
    expect(urls()).toEqual(["http://vllm:8000"]);
    const [endpoint] = discovery.endpoints;
    expect(endpoint).toMatchObject({ id: Bun.randomUUIDv5("vllm", "dns"), label: "opt", models: ["m"] });

    await discovery.markSleeping?.(endpoint?.id ?? "", true);
    await pass(0);
    expect(cluster.calls.at(-1)?.what).toBe("patch services");
    expect(sleep.asleep.has(endpoint?.id ?? "")).toBe(true);

    cluster.put("endpoints", addresses("vllm", 0));
    await pass(0);
    expect(urls()).toEqual([]);
    expect(discovery.hasSeen("m")).toBe(true);
    await discovery[Symbol.asyncDispose]();
  });
});

describe("an engine that one router sends to sleep", () => {
  test("is labelled, and every other router learns of it by the label", async () => {
    const { cluster, sleep, pass, discovery } = await start(1);
    const id = discovery.endpoints[0]?.id ?? "";
    await discovery.markSleeping?.(id, true);
    await pass(0);
    expect(cluster.calls.at(-1)?.what).toBe("patch pods");
    expect(sleep.asleep.has(id)).toBe(true);
    await discovery.markSleeping?.(id, false);
    await pass(0);
    expect(sleep.asleep.has(id)).toBe(false);
    await discovery[Symbol.asyncDispose]();
  });

  test("sleeps without the right to label it, which is told", async () => {
    const { cluster, sleep, lines, pass, discovery } = await start(1);
    const id = discovery.endpoints[0]?.id ?? "";
    cluster.forbidPatches();
    sleep.set(id, true);
    await discovery.markSleeping?.(id, true);
    await pass(60_000);
    expect(sleep.asleep.has(id)).toBe(true);
    expect(lines.filter((line) => line.includes('must grant the verb "patch" on "pods"'))).toHaveLength(1);
    await discovery[Symbol.asyncDispose]();
  });
});

test("2,000 pods are known after one list, each asked once and apart from the others", async () => {
  const ips = Array.from({ length: 2000 }, (_, nth) => `10.1.${Math.floor(nth / 250)}.${nth % 250}`);
  const { engines, pass, discovery } = await start(0, {}, (cluster) => {
    for (const [nth, ip] of ips.entries()) cluster.put("pods", pod(`many-${nth}`, { ip }));
  });
  for (const ip of ips) engines.answer(`http://${ip}:8000`, serving("m"));
  await pass(250);
  expect(discovery.endpoints).toHaveLength(2000);
  expect(new Set(engines.asks.map(({ url }) => url)).size).toBe(2000);
  await discovery[Symbol.asyncDispose]();
});

test("stopping ends every timer, every watch and every question", async () => {
  const { clock, cluster, pass, discovery } = await start(3);
  await discovery[Symbol.asyncDispose]();
  expect(clock.waiting()).toEqual([]);
  const { length } = cluster.calls;
  await pass(60_000, 1000);
  expect(cluster.calls).toHaveLength(length);
});
