import type { KubeApi } from "../../src/kubernetes/api.ts";
import {
  type Change,
  createListWatch,
  type KubeObject,
  type ListWatch,
} from "../../src/kubernetes/list-watch.ts";
import { createTestClock, settle, type TestClock } from "../support/clock.ts";
import { type KubeApiServer, startKubeApi } from "../support/kube-api.ts";
import { connectAs, createFolder, type Folder } from "./connected.ts";

/** The service account that follows. */
export const ROUTER = "system:serviceaccount:default:vllm-router";

/** Labels that are selected. */
export const labels = { environment: "test", release: "test" };

/** What one who follows pods has learnt. */
export interface Followed extends AsyncDisposable {
  readonly status: ListWatch["status"];
  readonly changes: readonly Change<KubeObject>[];
  /** Names that are known, as whoever heeds every change knows them. */
  readonly names: () => readonly string[];
  readonly logged: readonly string[];
  readonly failures: readonly Error[];
}

const isPod = (value: unknown): value is KubeObject =>
  (value as Partial<KubeObject> | undefined)?.metadata?.name !== undefined;

/** Follows the selected pods of the namespace `default`. */
export const followPods = (
  api: KubeApi,
  clock: TestClock,
  timeoutSeconds = 0,
  labelSelector = "environment=test,release=test",
): Followed => {
  const changes: Change<KubeObject>[] = [];
  const known = new Set<string>();
  const logged: string[] = [];
  const failures: Error[] = [];
  const write = (level: string) => (message: string) => void logged.push(`${level} ${message}`);
  const follower = createListWatch<KubeObject>(
    {
      what: "pods in namespace default",
      path: "/api/v1/namespaces/default/pods",
      labelSelector,
      timeoutSeconds,
      parse: (value) => (isPod(value) ? value : undefined),
      onChange: (change) => {
        changes.push(change);
        if (change.type === "replaced") known.clear();
        const objects = change.type === "replaced" ? change.objects : [change.object];
        for (const { metadata } of objects) {
          if (change.type === "deleted") known.delete(metadata.name);
          else known.add(metadata.name);
        }
      },
    },
    {
      api,
      clock,
      random: () => 0,
      log: {
        debug: write("debug"),
        info: write("info"),
        infoBlock: () => {},
        warning: write("warning"),
        error: write("error"),
        isEnabled: () => true,
      },
      onFailure: (error) => failures.push(error),
    },
  );
  return {
    status: follower.status,
    changes,
    names: () => [...known].sort(),
    logged,
    failures,
    [Symbol.asyncDispose]: async () => follower[Symbol.asyncDispose](),
  };
};

/** Waits for what goes over real sockets, which takes no time of the lent clock. */
export const until = async (condition: () => boolean, what: string): Promise<void> => {
  const deadline = performance.now() + 4500;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await Bun.sleep(1);
  }
  await settle();
};

/** A server, one who may list and watch its pods, and the clock of both. */
export interface Cluster extends AsyncDisposable {
  readonly server: KubeApiServer;
  readonly folder: Folder;
  readonly clock: TestClock;
  readonly api: KubeApi;
  /** Puts a selected pod in. */
  readonly put: (name: string) => void;
  readonly verbs: () => readonly string[];
  readonly lists: () => number;
  /** Resolves when a watch is open, and so many have been asked for. */
  readonly watched: (count?: number) => Promise<void>;
  readonly isPausing: () => boolean;
  /** Waits for the pause that the follower makes, and lets it pass; resolves to its length. */
  readonly passPause: () => Promise<number>;
}

/** What a request may take; no pause is as long, where randomness is 0. */
const REQUEST_MS = 20_000;
/** No pause of these tests is as long, and no silence has so little left. */
const MAX_PAUSE_MS = 50_000;

/** Starts all of it. */
export const startCluster = async (): Promise<Cluster> => {
  const clock = createTestClock();
  const [server, folder] = await Promise.all([startKubeApi({ clock }), createFolder()]);
  server.tokens.set("router-token", ROUTER);
  server.rules.push({ user: ROUTER, verbs: ["list", "watch"], resources: ["pods"], namespace: "default" });
  const connected = await connectAs(server, folder, { token: "router-token" });
  /** Requests without the head of their answer. */
  let unanswered = 0;
  const api: KubeApi = {
    request: async (call) => {
      unanswered += 1;
      return connected.request(call).finally(() => (unanswered -= 1));
    },
  };
  const asked = (wanted: string): number => server.requests.filter(({ verb }) => verb === wanted).length;
  const isPausing = (): boolean => {
    const [ms, ...others] = clock.waiting();
    return (
      server.watches.size === 0 &&
      unanswered === 0 &&
      others.length === 0 &&
      ms !== undefined &&
      ms !== REQUEST_MS &&
      ms < MAX_PAUSE_MS
    );
  };
  return {
    server,
    folder,
    clock,
    api,
    put: (name) => void server.store.put("pods", { metadata: { name, labels } }),
    verbs: () => server.requests.map(({ verb }) => verb),
    lists: () => asked("list"),
    watched: async (count = 1) =>
      until(
        () => server.watches.size === 1 && asked("watch") >= count && unanswered === 0,
        `watch ${count} is open`,
      ),
    isPausing,
    passPause: async () => {
      await until(isPausing, "a pause");
      const [ms = 0] = clock.waiting();
      clock.advance(ms);
      await settle();
      return ms;
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};
