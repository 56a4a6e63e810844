import { createServer } from "node:net";
import { createMockEngine, type MockEngine } from "../../src/mock-engine/engine.ts";
import { systemClock } from "../../src/platform.ts";
import { pod, type PodSketch } from "../discovery/objects.ts";
import type { KubeStore } from "./kube-store.ts";

/** A pod of a test's cluster with a simulated engine behind its address. */
export interface LivePod {
  readonly name: string;
  readonly ip: string;
  /** The id by which the router knows it. */
  readonly id: string;
  readonly engine: MockEngine;
  /** Whether new requests may go to it. */
  readonly isServing: () => boolean;
  readonly set: (sketch: PodSketch) => void;
  /** Deletes it: terminating, its streams may end, then its engine and its object are gone. */
  readonly end: (graceMs: number) => Promise<void>;
}

/** Pods whose engines listen on one port of many loopback addresses. */
export interface LivePods extends AsyncDisposable {
  readonly port: number;
  readonly all: readonly LivePod[];
  /** A pod that is not ready, and whose engine listens. */
  readonly add: (name: string, ip: string, sketch?: PodSketch) => LivePod;
  /** Ids of those that may get new requests, sorted. */
  readonly truth: () => readonly string[];
  /** When that last changed, in epoch milliseconds. */
  readonly changedAt: () => number;
  /** Most milliseconds by which a request came to a pod after it must no longer have got any. */
  readonly latest: () => number;
}

const isFree = async (host: string, port: number): Promise<number | undefined> => {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  server.once("error", () => resolve(undefined));
  server.listen(port, host, () => {
    const address = server.address();
    const taken = typeof address === "object" && address !== null ? address.port : undefined;
    server.close(() => resolve(taken));
  });
  return promise;
};

/** A port that is free on every one of the addresses. */
const freePort = async (ips: readonly string[]): Promise<number> => {
  const [first = "127.0.0.1"] = ips;
  for (;;) {
    const port = (await isFree(first, 0)) ?? 0;
    const others = await Promise.all(ips.map(async (ip) => isFree(ip, port)));
    if (!others.includes(undefined)) return port;
  }
};

const isInference = ({ method, target }: { readonly method: string; readonly target: string }): boolean =>
  method === "POST" && target.startsWith("/v1/");

/** Starts none yet; `ips` are the addresses that its pods may have. */
export const createLivePods = async (store: KubeStore, ips: readonly string[]): Promise<LivePods> => {
  const port = await freePort(ips);
  const pods = new Map<string, LivePod>();
  let latest = 0;
  let truthChangedAt = Date.now();

  const add = (name: string, ip: string, first: PodSketch = {}): LivePod => {
    const uid = crypto.randomUUID();
    const engine = createMockEngine(
      { host: ip, port, servedModelName: ["m"], decodeMs: 8, answerTokens: 4 },
      { clock: systemClock },
    );
    let sketch: PodSketch = { uid, ip, ready: [false], createdAt: new Date().toISOString(), ...first };
    let isServing = false;
    let changedAt = Date.now();
    const noteLateness = (): void => {
      if (isServing) return;
      const last = engine.state().requests.findLast(isInference)?.receivedAt ?? 0;
      latest = Math.max(latest, last - changedAt);
    };
    const set = (more: PodSketch): void => {
      noteLateness();
      sketch = { ...sketch, ...more };
      const { ready = [], labels = {}, deletedAt } = sketch;
      const isSelected = (labels["environment"] ?? "test") === "test";
      const is = isSelected && ready.length > 0 && ready.every(Boolean) && deletedAt === undefined;
      if (is !== isServing) truthChangedAt = changedAt = Date.now();
      isServing = is;
      store.put("pods", pod(name, sketch));
    };
    set({});
    const live: LivePod = {
      name,
      ip,
      id: Bun.randomUUIDv5(name, "dns"),
      engine,
      isServing: () => isServing,
      set,
      end: async (graceMs) => {
        set({ deletedAt: new Date(Date.now() + graceMs).toISOString() });
        await Bun.sleep(graceMs);
        noteLateness();
        await engine[Symbol.asyncDispose]();
        store.remove("pods", name);
        pods.delete(name);
      },
    };
    pods.set(name, live);
    return live;
  };

  return {
    port,
    get all() {
      return [...pods.values()];
    },
    add,
    truth: () =>
      [...pods.values()]
        .filter((live) => live.isServing())
        .map(({ id }) => id)
        .sort(),
    changedAt: () => truthChangedAt,
    latest: () => latest,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...pods.values()].map(async ({ engine }) => engine[Symbol.asyncDispose]()));
    },
  };
};
