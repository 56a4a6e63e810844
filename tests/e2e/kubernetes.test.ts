import { describe, expect, test } from "bun:test";
import { startChild } from "../cli/child.ts";
import { builtBinary } from "../support/binary.ts";
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
import type { RunningProcess } from "../support/processes.ts";

test.skipIf(!hasLoopbacks)(
  "a configuration file that changes keeps the flags of the cluster, and every engine",
  async () => {
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
  },
  60_000,
);

test.skipIf(!hasLoopbacks)(
  "an engine that one router sends to sleep sleeps for the other, by the label of its pod",
  async () => {
    await using cluster = await startCluster();
    const { api, pods, startRouter } = cluster;
    const [sleeper, other] = [0, 1].map((nth) => pods.add(`vllm-${nth}`, ips[nth] ?? "", { ready: [true] }));
    if (!sleeper || !other) throw new Error("there are no pods");
    const one = await startRouter("--routing-logic=roundrobin");
    const two = await startRouter("--routing-logic=roundrobin");
    for (const router of [one, two]) await agree(router, pods);
    const labels = () => api.store.find("pods", "default", sleeper.name)?.metadata.labels;
    const answeredBy = async (router: RunningProcess): Promise<readonly number[]> => {
      const counts = () => [sleeper, other].map(({ engine }) => engine.state().finished);
      const before = counts();
      for (let nth = 0; nth < 4; nth += 1) expect(await ask(router, false)).toBe("");
      return counts().map((count, index) => count - (before[index] ?? 0));
    };
    expect(await answeredBy(two)).toEqual([2, 2]);
    expect((await fetch(`${one.url}/sleep?id=${sleeper.id}&level=1`, { method: "POST" })).status).toBe(200);
    expect(labels()).toMatchObject({ sleeping: "true" });
    await Bun.sleep(200);
    for (const router of [one, two]) expect(await answeredBy(router)).toEqual([0, 4]);
    expect((await fetch(`${two.url}/wake_up?id=${sleeper.id}`, { method: "POST" })).status).toBe(200);
    expect(labels()).not.toHaveProperty("sleeping");
    await Bun.sleep(200);
    for (const router of [one, two]) expect(await answeredBy(router)).toEqual([2, 2]);
  },
  60_000,
);

test.skipIf(!hasLoopbacks)(
  "a service is an engine while a pod behind it is ready",
  async () => {
    await using cluster = await startCluster();
    const { api, pods, startRouter } = cluster;
    // The one name of a service that every machine resolves without a cluster.
    const name = "localhost";
    pods.add("vllm-0", "127.0.0.1");
    const labels = { environment: "test" };
    const spec = { clusterIP: "10.96.0.7", ports: [{ port: pods.port }], selector: { model: "opt" } };
    api.store.put("services", { metadata: { name, labels }, spec });
    api.store.put("endpoints", { metadata: { name, labels } });
    const router = await startRouter(
      "--routing-logic=roundrobin",
      "--k8s-service-discovery-type=service-name",
    );
    await Bun.sleep(200);
    expect(await ask(router, false)).toStartWith("404");
    api.store.put("endpoints", {
      metadata: { name, labels },
      subsets: [{ addresses: [{ ip: "127.0.0.1" }] }],
    });
    while ((await engineIds(router)).length === 0) await Bun.sleep(10);
    expect(await engineIds(router)).toEqual([Bun.randomUUIDv5(name, "dns")]);
    expect(await ask(router, true)).toBe("");
    api.store.put("endpoints", { metadata: { name, labels } });
    while ((await engineIds(router)).length > 0) await Bun.sleep(10);
    expect(await ask(router, false)).toStartWith("503");
  },
  60_000,
);

test("what is asked for while there is no pod is counted by its model, so that pods can be scaled up from zero", async () => {
  await using cluster = await startCluster();
  await using router = await cluster.startRouter("--routing-logic=roundrobin");
  await router.child.until(/There are no pods with environment=test in namespace default/);
  expect(await ask(router, false)).toStartWith("404");
  const metrics = await (await fetch(`${router.url}/metrics`)).text();
  expect(metrics).toContain('\nvllm:num_incoming_requests_total{model="m"} 1\n');
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

  test.skipIf(!hasLoopbacks)(
    "starts without the right to list pods, says which is missing, and serves once it is granted",
    async () => {
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
    },
    60_000,
  );
});
