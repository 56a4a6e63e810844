import { expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { createListWatch, type KubeObject } from "../../src/kubernetes/list-watch.ts";
import type { KubeStore } from "../support/kube-store.ts";
import { percentile } from "../support/statistics.ts";
import { type Cluster, startCluster, until } from "./following.ts";
import { itemsOf } from "./recordings.ts";

const silent = {
  debug: () => {},
  info: () => {},
  infoBlock: () => {},
  warning: () => {},
  error: () => {},
  isEnabled: () => false,
};

/** Puts in as many real pods of 4 KB. */
const fill = (store: KubeStore, count: number): void => {
  const [pod = { metadata: { name: "" } }] = itemsOf("pods-list");
  for (let nth = 0; nth < count; nth += 1) {
    store.put("pods", { ...pod, metadata: { ...pod.metadata, name: `pod-${nth}`, uid: `uid-${nth}` } });
  }
};

const follow = ({ api, clock }: Cluster, heed: { listed?: (count: number) => void; changed?: () => void }) =>
  createListWatch<KubeObject>(
    {
      what: "pods",
      path: "/api/v1/namespaces/default/pods",
      labelSelector: "environment=test,release=test",
      timeoutSeconds: 0,
      parse: (value) => {
        const { name, uid, resourceVersion } = (value as KubeObject).metadata;
        return { metadata: { name, uid, resourceVersion } };
      },
      onChange: (change) => {
        if (change.type === "replaced") heed.listed?.(change.objects.length);
        else heed.changed?.();
      },
    },
    { api, clock, random: () => 0, log: silent },
  );

test("2,000 pods are listed within a second", async () => {
  await using cluster = await startCluster();
  fill(cluster.server.store, 2000);
  const times: number[] = [];
  for (let run = 0; run < 3; run += 1) {
    const { promise, resolve } = Promise.withResolvers<number>();
    const startedAt = performance.now();
    await using _follower = follow(cluster, { listed: resolve });
    expect(await promise).toBe(2000);
    times.push(performance.now() - startedAt);
  }
  console.info(`2,000 pods listed in ${times.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  expect(Math.min(...times)).toBeLessThan(1000);
}, 30_000);

test("100,000 events leave no trace in memory", async () => {
  await using cluster = await startCluster();
  const { store } = cluster.server;
  fill(store, 30);
  let seen = 0;
  await using _follower = follow(cluster, { changed: () => (seen += 1) });
  await cluster.watched();
  /** Sends events in batches, each when the one before has been read: the server has no bound of its own. */
  const send = async (count: number) => {
    const end = seen + count;
    for (let sent = seen; sent < end; sent += 1) {
      store.edit("pods", `pod-${sent % 30}`, (pod) => ({ ...pod, status: { message: String(sent) } }));
      if (sent % 500 === 499) await until(() => seen > sent, `event ${sent}`);
    }
    // What the server remembers is not what is measured.
    store.forget();
    Bun.gc(true);
    const { heapSize, objectCount } = heapStats();
    return { heapSize, objectCount };
  };
  const EACH = 10_000;
  let last = await send(EACH);
  const grown: (typeof last)[] = [];
  for (let round = 0; round < 9; round += 1) {
    const next = await send(EACH);
    grown.push({ heapSize: next.heapSize - last.heapSize, objectCount: next.objectCount - last.objectCount });
    last = next;
  }
  expect(seen).toBe(100_000);
  // A leak is in every round; what the rest of the process happens to keep or to drop is in one or another.
  const bytes = percentile(
    grown.map(({ heapSize }) => heapSize),
    0.5,
  );
  const objects = percentile(
    grown.map(({ objectCount }) => objectCount),
    0.5,
  );
  console.info(
    `${EACH} events more are ${bytes} bytes and ${objects} objects more, in the median of 9 rounds`,
  );
  expect(bytes).toBeLessThan(EACH);
  expect(objects).toBeLessThan(EACH / 100);
}, 120_000);
