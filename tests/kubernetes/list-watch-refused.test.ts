import { describe, expect, test } from "bun:test";
import type { KubeApi } from "../../src/kubernetes/api.ts";
import { tooManyRequests, unavailable } from "../support/kube-status.ts";
import { followPods, ROUTER, startCluster, until } from "./following.ts";

describe("a list", () => {
  test("whose pages have expired begins anew", async () => {
    await using cluster = await startCluster();
    const { server, api, put, lists, watched, passPause, clock } = cluster;
    for (let nth = 0; nth < 251; nth += 1) put(`pod-${nth}`);
    const gone = { code: 410, body: { kind: "Status", message: "too old", code: 410 } };
    const expiring: KubeApi = {
      request: async (call) => {
        if (call.query?.["continue"] !== undefined && lists() === 1) server.refuse(gone, 1, ["list"]);
        return api.request(call);
      },
    };
    await using followed = followPods(expiring, clock);
    await until(() => lists() === 2, "the page that is refused");
    expect(followed.changes).toEqual([]);
    await passPause();
    await watched();
    expect(lists()).toBe(4);
    expect(followed.names()).toHaveLength(251);
  });

  test("that hangs is given up, and asked for again", async () => {
    await using cluster = await startCluster();
    const { server, clock, put, lists, watched, passPause, api } = cluster;
    put("a");
    server.hang(true);
    await using followed = followPods(api, clock);
    await until(() => lists() === 1, "a list");
    clock.advance(20_000);
    await until(() => followed.failures.length === 1, "a failure");
    expect(followed.status()).toMatchObject({ isSynced: false, error: "no answer in 20 s" });
    server.hang(false);
    await passPause();
    await watched();
    expect(followed.names()).toEqual(["a"]);
  });

  test("that is no list is a failure", async () => {
    await using cluster = await startCluster();
    const { server, api, clock } = cluster;
    server.refuse({ code: 200, body: { kind: "Hello" } }, 1);
    await using followed = followPods(api, clock);
    await until(() => followed.failures.length === 1, "a failure");
    expect(followed.failures[0]?.message).toBe(
      "the answer to a list of /api/v1/namespaces/default/pods is no list of Kubernetes",
    );
  });
});

describe("rights", () => {
  test("that are missing are named with verb, resource and namespace, once", async () => {
    await using cluster = await startCluster();
    const { server, passPause, api, clock } = cluster;
    server.rules.length = 0;
    await using followed = followPods(api, clock);
    for (let nth = 1; nth <= 3; nth += 1) {
      await until(() => followed.failures.length === nth, `failure ${nth}`);
      await passPause();
    }
    const why =
      'no right to list pods in namespace default: a Role in namespace default must grant the verb "list" on "pods" ' +
      `(pods is forbidden: User "${ROUTER}" cannot list resource "pods" in API group "" in the namespace "default")`;
    expect(followed.logged).toEqual([
      `error Kubernetes: pods in namespace default cannot be followed, what is known of them stays: ${why}`,
    ]);
    expect(followed.status().error).toBe(why);
  });

  test("of somebody whom the server does not know are a matter of the credentials", async () => {
    await using cluster = await startCluster();
    const { server, api, clock } = cluster;
    server.tokens.clear();
    await using followed = followPods(api, clock);
    await until(() => followed.failures.length === 1, "a failure");
    expect(followed.status().error).toBe(
      "the Kubernetes API answers 401 to list pods in namespace default (Unauthorized); the token, certificate or " +
        "plugin of the kubeconfig, or the pod's service account, is not of this cluster or has expired",
    );
  });

  test("are not the matter where the selector is wrong", async () => {
    await using cluster = await startCluster();
    const { api, clock } = cluster;
    await using followed = followPods(api, clock, 0, "a in (");
    await until(() => followed.failures.length === 1, "a failure");
    expect(followed.status().error).toEndWith("; is --k8s-label-selector one that kubectl get -l takes?");
  });

  test("to list but not to watch leave lists, every 10 s at the most", async () => {
    await using cluster = await startCluster();
    const { server, clock, put, passPause, api } = cluster;
    server.rules.length = 0;
    server.rules.push({ user: ROUTER, verbs: ["list"], resources: ["pods"] });
    await using followed = followPods(api, clock);
    await until(() => followed.failures.length === 1, "a refused watch");
    put("a");
    while (clock.monotonic() < 300_000) await passPause();
    await until(() => followed.names().join() === "a", "a list with a");
    const times = server.requests.filter(({ verb }) => verb === "list").map(({ at }) => at);
    expect(times.length).toBeGreaterThan(8);
    for (const [nth, at] of times.entries()) {
      if (nth > 0) expect(at - (times[nth - 1] ?? 0)).toBeGreaterThanOrEqual(10_000);
    }
    expect(followed.logged.filter((line) => line.startsWith("error"))).toHaveLength(1);
    expect(followed.logged[0]).toContain('must grant the verb "watch" on "pods"');
  });
});

describe("a server", () => {
  test("that is gone leaves what is known, says so once, and is followed again within 30 s of its return", async () => {
    await using cluster = await startCluster();
    const { server, clock, put, lists, watched, isPausing, passPause, api } = cluster;
    put("a");
    await using followed = followPods(api, clock);
    await watched();
    await server.die();
    while (clock.monotonic() < 600_000) await passPause();
    expect(followed.names()).toEqual(["a"]);
    expect(followed.changes).toHaveLength(1);
    expect(followed.status()).toMatchObject({ isSynced: true, lastContactAt: 0 });
    const errors = followed.logged.filter((line) => line.startsWith("error"));
    expect(errors).toEqual([
      `error Kubernetes: pods in namespace default cannot be followed, what is known of them stays: cannot reach the Kubernetes API at ${server.url}: ECONNREFUSED`,
    ]);

    await until(isPausing, "a pause");
    put("b");
    server.store.remove("pods", "a");
    server.store.forget();
    await server.start();
    const returnedAt = clock.monotonic();
    await passPause();
    await watched(2);
    expect(clock.monotonic() - returnedAt).toBeLessThanOrEqual(30_000);
    expect(followed.names()).toEqual(["b"]);
    expect(lists()).toBe(2);
    expect(followed.status().error).toBeUndefined();
    expect(followed.logged.at(-1)).toBe("info Kubernetes: pods in namespace default can be followed again");
  });

  test("that asks for time gets it", async () => {
    await using cluster = await startCluster();
    const { server, clock, lists, watched, passPause, api } = cluster;
    server.refuse(tooManyRequests(42), 1);
    server.refuse(unavailable(), 1);
    await using followed = followPods(api, clock);
    await until(() => followed.failures.length === 1, "429");
    expect(await passPause()).toBe(42_000);
    await until(() => followed.failures.length === 2, "503");
    expect(await passPause()).toBe(2000);
    await watched();
    for (const watch of server.watches) watch.cut("fin");
    server.refuse(tooManyRequests(30), 1, ["watch"]);
    await until(() => followed.logged.at(-1)?.includes("was cut") === true, "the cut");
    await passPause();
    await until(() => followed.failures.length === 3, "429 to the watch");
    expect(await passPause()).toBe(30_000);
    await watched(3);
    // Who was only told to wait has no reason to list again.
    expect(lists()).toBe(3);
  });

  test("that opens watches and ends them at once is not asked in a storm", async () => {
    await using cluster = await startCluster();
    const { server, watched, passPause, api, clock } = cluster;
    await using _followed = followPods(api, clock);
    const pauses: number[] = [];
    for (let nth = 1; nth <= 7; nth += 1) {
      await watched(nth);
      for (const watch of server.watches) watch.end();
      pauses.push(await passPause());
    }
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 25_000, 25_000]);
  });

  test("that gives another token is asked with it, in the middle of everything", async () => {
    await using cluster = await startCluster();
    const { server, folder, clock, put, lists, watched, api } = cluster;
    await using followed = followPods(api, clock);
    await watched();
    server.tokens.delete("router-token");
    server.tokens.set("rotated", ROUTER);
    await folder.write("config", server.kubeconfig({ token: "rotated" }));
    put("a");
    await until(() => followed.names().join() === "a", "a");
    clock.advance(10_000);
    for (const watch of server.watches) watch.end();
    await watched(3);
    expect(lists()).toBe(1);
    expect(followed.failures).toEqual([]);
  });
});
