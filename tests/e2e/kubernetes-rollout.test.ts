import { describe, expect, test } from "bun:test";
import {
  agree,
  ask,
  engineIds,
  hasLoopbacks,
  ips,
  startCluster,
  startLoad,
  watchAgreement,
} from "../support/cluster.ts";
import type { LivePod, LivePods } from "../support/pods.ts";

const PODS = 30;
const GRACE_MS = 1500;

/** Replaces every pod by a new one, a few at a time, at addresses that are free. */
const rollOut = async (pods: LivePods, generation: number): Promise<void> => {
  const old = pods.all;
  const ending: Promise<void>[] = [];
  const replace = async (before: LivePod, nth: number): Promise<void> => {
    const taken = new Set(pods.all.map(({ ip }) => ip));
    const ip = ips.find((free) => !taken.has(free)) ?? "";
    const next = pods.add(`vllm-${generation}-${nth}`, ip);
    await Bun.sleep(100);
    next.set({ ready: [true] });
    await Bun.sleep(100);
    ending.push(before.end(GRACE_MS));
  };
  for (let first = 0; first < old.length; first += 5) {
    await Promise.all(
      old.slice(first, first + 5).map(async (before, index) => replace(before, first + index)),
    );
    if (first % 10 === 0) await Bun.sleep(GRACE_MS + 200);
  }
  await Promise.all(ending);
};

describe.skipIf(!hasLoopbacks)("30 pods in a cluster", () => {
  test("come, flap, sleep, are relabelled and die in two rollouts under load, and no request fails", async () => {
    await using cluster = await startCluster();
    const { pods, startRouter } = cluster;
    await using router = await startRouter("--routing-logic=roundrobin");
    for (let nth = 0; nth < PODS; nth += 1) pods.add(`vllm-0-${nth}`, ips[nth] ?? "");
    for (const live of pods.all) live.set({ ready: [true] });
    await agree(router, pods);
    await using load = startLoad(router, 12);
    await using agreement = watchAgreement(router, pods);

    const flap = async (live: LivePod, sketch: object, back: object): Promise<void> => {
      live.set(sketch);
      await Bun.sleep(400);
      live.set(back);
      await Bun.sleep(200);
    };
    const [one, two, three, four, sleeper] = pods.all;
    if (!one || !two || !three || !four || !sleeper) throw new Error("there are no pods");
    await flap(one, { ready: [false] }, { ready: [true] });
    await flap(two, { ready: [] }, { ready: [true] });
    await flap(three, { labels: { environment: "prod" } }, { labels: {} });
    await flap(four, { labels: { model: "other" } }, { labels: {} });

    const received = () => sleeper.engine.state().requests.filter(({ method }) => method === "POST").length;
    expect((await fetch(`${router.url}/sleep?id=${sleeper.id}`, { method: "POST" })).status).toBe(200);
    await Bun.sleep(100);
    const asleep = received();
    await Bun.sleep(500);
    expect(received()).toBe(asleep);
    expect((await fetch(`${router.url}/wake_up?id=${sleeper.id}`, { method: "POST" })).status).toBe(200);

    await rollOut(pods, 1);
    await rollOut(pods, 2);
    await agree(router, pods);
    await Bun.sleep(300);
    console.log(
      `${load.count()} requests; the router learned within ${agreement.most()} ms, requests came at most ${pods.latest()} ms late`,
    );
    expect(load.failures).toEqual([]);
    expect(load.count()).toBeGreaterThan(500);
    expect(agreement.most()).toBeLessThan(1000);
    expect(pods.latest()).toBeLessThan(500);
  }, 120_000);

  test("are known again after one list, when the API comes back and a third of them was replaced", async () => {
    await using cluster = await startCluster();
    const { api, pods, startRouter } = cluster;
    for (let nth = 0; nth < PODS; nth += 1) pods.add(`vllm-0-${nth}`, ips[nth] ?? "", { ready: [true] });
    await using router = await startRouter(
      "--routing-logic=roundrobin",
      "--max-instance-failover-reroute-attempts=3",
    );
    await agree(router, pods);
    const before = await engineIds(router);
    await api.die();
    await Bun.sleep(500);
    expect(await engineIds(router)).toEqual(before);
    expect(await ask(router, true)).toBe("");
    for (const live of pods.all.slice(0, 10)) await live.end(0);
    for (let nth = 0; nth < 10; nth += 1) pods.add(`vllm-1-${nth}`, ips[PODS + nth] ?? "", { ready: [true] });
    expect(await engineIds(router)).toEqual(before);
    api.forget();
    await api.start();
    const lists = () => api.requests.filter(({ verb }) => verb === "list").length;
    const listsBefore = lists();
    await agree(router, pods);
    expect(lists() - listsBefore).toBe(1);
    await using load = startLoad(router, 4);
    await Bun.sleep(500);
    expect(load.failures).toEqual([]);
  }, 120_000);
});
