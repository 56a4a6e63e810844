import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "../cli/child.ts";
import { builtBinary } from "../support/binary.ts";
import { startKubeApi } from "../support/kube-api.ts";
import { createLivePods, type LivePod, type LivePods } from "../support/pods.ts";
import { type RunningProcess, startRouterProcess } from "../support/processes.ts";

const PODS = 30;
const ips = Array.from({ length: PODS + 12 }, (_, index) => `127.0.0.${index + 2}`);

/** A folder for files of a test, gone with it. */
const createFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), "router-kube-"));
  return {
    write: async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    },
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true }),
  };
};

/** A cluster in which the router is this user. */
const startCluster = async (user = "admin") => {
  const parts = new AsyncDisposableStack();
  const api = parts.use(await startKubeApi());
  const pods = parts.use(await createLivePods(api.store, ips));
  api.tokens.set(`${user}-token`, user);
  const { write } = parts.use(await createFolder());
  const kubeconfig = await write("kubeconfig", api.kubeconfig({ token: `${user}-token` }));
  const startRouter = async (...args: readonly string[]): Promise<RunningProcess> =>
    parts.use(
      await startRouterProcess(
        [
          "--service-discovery=k8s",
          "--k8s-label-selector=environment=test",
          `--k8s-port=${pods.port}`,
          ...args,
        ],
        { KUBECONFIG: kubeconfig },
      ),
    );
  return { api, pods, startRouter, write, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
};

const engineIds = async ({ url }: RunningProcess): Promise<readonly string[]> => {
  const list = (await (await fetch(`${url}/engines`)).json()) as { readonly engine_id: string }[];
  return list.map(({ engine_id: id }) => id).sort();
};

/** Resolves when the router knows what is true, to the milliseconds that it took. */
const agree = async (router: RunningProcess, pods: LivePods, withinMs = 30_000): Promise<number> => {
  const startedAt = performance.now();
  for (;;) {
    const known = await engineIds(router);
    const took = performance.now() - startedAt;
    if (Bun.deepEquals(known, pods.truth())) return took;
    if (took > withinMs)
      throw new Error(`after ${took} ms ${known.length} of ${pods.truth().length} engines`);
    await Bun.sleep(20);
  }
};

/** Looks all the time; `most` is the longest time after a change for which the router did not know what was true. */
const watchAgreement = (router: RunningProcess, pods: LivePods) => {
  const stop = new AbortController();
  let most = 0;
  const look = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const known = await engineIds(router);
      if (!Bun.deepEquals(known, pods.truth())) most = Math.max(most, Date.now() - pods.changedAt());
      await Bun.sleep(10);
    }
  };
  const looking = look();
  return {
    most: () => most,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await looking;
    },
  };
};

const ask = async ({ url }: RunningProcess, isStream: boolean): Promise<string> => {
  const messages = [{ role: "user", content: "Hello" }];
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages, stream: isStream, max_tokens: 4 }),
  });
  const text = await answer.text();
  const isWhole = isStream ? text.trimEnd().endsWith("data: [DONE]") : text.endsWith("}");
  return answer.status === 200 && isWhole ? "" : `${answer.status} ${text.slice(0, 300)}`;
};

/** Clients that ask one thing after the other, half of them for streams. */
const startLoad = (router: RunningProcess, clients: number) => {
  const stop = new AbortController();
  const failures: string[] = [];
  let count = 0;
  const work = async (nth: number): Promise<void> => {
    while (!stop.signal.aborted) {
      const failure = await ask(router, nth % 2 === 0).catch((error: unknown) => String(error));
      count += 1;
      if (failure !== "") failures.push(failure);
      await Bun.sleep(5);
    }
  };
  const working = Promise.all(Array.from({ length: clients }, async (_, nth) => work(nth)));
  return {
    failures,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await working;
    },
  };
};

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

describe("30 pods in a cluster", () => {
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

  test("are what the router knows again after one list, when the API comes back after they were all replaced", async () => {
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

test("a configuration file that changes keeps the flags of the cluster, and every engine", async () => {
  await using cluster = await startCluster();
  const { pods, startRouter, write } = cluster;
  for (let nth = 0; nth < 5; nth += 1) pods.add(`vllm-${nth}`, ips[nth] ?? "", { ready: [true] });
  const file = await write("dynamic.json", '{"routing_logic": "roundrobin"}');
  await using router = await startRouter(
    `--dynamic-config-json=${file}`,
    "--dynamic-config-interval-seconds=1",
  );
  await agree(router, pods);
  await using load = startLoad(router, 4);
  await using agreement = watchAgreement(router, pods);
  await write(
    "dynamic.json",
    '{"routing_logic": "session", "session_key": "x-user", "k8s_namespace": "default"}',
  );
  await router.child.until(
    /is in effect: pods with environment=test in namespace default, port \d+, session/,
  );
  pods.add("vllm-5", ips[5] ?? "", { ready: [true] });
  await agree(router, pods);
  await Bun.sleep(300);
  expect(load.failures).toEqual([]);
  expect(agreement.most()).toBeLessThan(1000);
}, 60_000);

describe("the compiled router", () => {
  test("says what is missing where there is no cluster, and ends", async () => {
    const child = startChild(
      ["--service-discovery=k8s", "--routing-logic=roundrobin", "--port=0"],
      { KUBECONFIG: "/nowhere/config", HOME: "/nowhere" },
      [await builtBinary()],
    );
    expect(await child.exited).toBe(1);
    expect(await child.text("stderr")).toMatch(/ERROR: the kubeconfig cannot be used: .*\/nowhere\/config/);
  }, 60_000);

  test("starts without the right to list pods, says which is missing, and serves once it is granted", async () => {
    await using cluster = await startCluster("router");
    const { api, pods, startRouter } = cluster;
    pods.add("vllm-0", ips[0] ?? "", { ready: [true] });
    await using router = await startRouter("--routing-logic=roundrobin");
    await router.child.until(
      /no right to list pods in namespace default: .* must grant the verb "list" on "pods"/,
    );
    expect((await fetch(`${router.url}/livez`)).status).toBe(200);
    expect((await fetch(`${router.url}/readyz`)).status).toBe(503);
    api.rules.push({ user: "router", verbs: ["list", "watch"], resources: ["pods"], namespace: "default" });
    await agree(router, pods);

    const [live] = pods.all;
    expect((await fetch(`${router.url}/sleep?id=${live?.id}`, { method: "POST" })).status).toBe(200);
    await router.child.until(/Other routers do not learn which engines sleep: no right to patch pods/);
    expect(await ask(router, false)).toStartWith("503");
  }, 60_000);
});
