import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { KubeApi } from "../kubernetes/api.ts";
import {
  createListWatch,
  type KubeObject,
  type ListWatch,
  type ListWatchOptions,
} from "../kubernetes/list-watch.ts";
import type { Discovery } from "./discovery.ts";
import type { ProberDeps, SleepBook } from "./engine-prober.ts";
import { createEngineSet } from "./engine-set.ts";
import { followPods } from "./kubernetes-pods.ts";
import { followServices } from "./kubernetes-services.ts";
import { createSleepLabel } from "./sleep-label.ts";

/** Where the engines of a cluster are. */
export interface KubernetesOptions {
  readonly kind: "k8s";
  /** What stands for an engine. */
  readonly type: "pod-ip" | "service-name";
  readonly namespace: string;
  readonly labelSelector: string;
  /** Port of the engines. */
  readonly port: number;
  /** Longest life of a watch; 0 leaves it to the API server. */
  readonly watchTimeoutSeconds: number;
  /** Time that an engine has for an answer to the router's own questions. */
  readonly askTimeoutSeconds: number;
}

/** What discovery in a cluster is lent. */
export interface KubernetesDeps extends ProberDeps {
  readonly api: KubeApi;
  /** Engines that were known before: they serve on until those of the cluster are known. */
  readonly known: readonly Endpoint[];
  /** Models that were ever known; outlives this where the lender keeps it. */
  readonly seen: Set<string>;
  readonly sleep: SleepBook;
  /** Told of every failure to follow the cluster. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

const kindOf = ({ type }: Pick<KubernetesOptions, "type">) => (type === "pod-ip" ? "pods" : "services");

/** What stands for engines, in words: `pods with app=vllm in namespace default`. */
export const describeSelection = (
  options: Pick<KubernetesOptions, "type" | "namespace" | "labelSelector">,
): string => {
  const { namespace, labelSelector } = options;
  return `${kindOf(options)}${labelSelector === "" ? "" : ` with ${labelSelector}`} in namespace ${namespace}`;
};

/** Follows objects of one kind in the namespace. */
export type Follow = <T extends KubeObject>(
  kind: string,
  how: Pick<ListWatchOptions<T>, "labelSelector" | "parse" | "onChange">,
) => ListWatch;

/** Finds the engines of a cluster and follows them. While its API server is away, what was last known stays. */
export const createKubernetesDiscovery = (
  options: KubernetesOptions,
  { api, onFailure, ...deps }: KubernetesDeps,
): Discovery => {
  const { namespace, watchTimeoutSeconds: timeoutSeconds, askTimeoutSeconds } = options;
  const { clock, random, log, seen } = deps;
  const kind = kindOf(options);
  const pathOf = (what: string): string => `/api/v1/namespaces/${encodeURIComponent(namespace)}/${what}`;
  const parts = new AsyncDisposableStack();
  const selected = describeSelection(options);
  const engines = parts.use(
    createEngineSet({ what: kind, selected, timeoutMs: askTimeoutSeconds * 1000 }, deps),
  );
  const follow: Follow = (what, how) =>
    parts.use(
      createListWatch(
        { what: `${what} in namespace ${namespace}`, path: pathOf(what), timeoutSeconds, ...how },
        { api, clock, random, log, onFailure },
      ),
    );
  const watches = (kind === "pods" ? followPods : followServices)(options, follow, engines);
  const label = createSleepLabel({ api, clock, log });

  return {
    get endpoints() {
      return engines.endpoints;
    },
    hasSeen: (model) => seen.has(model),
    markSleeping: async (endpointId, isAsleep) => {
      const name = engines.nameOf(endpointId);
      if (name !== undefined) await label(`${pathOf(kind)}/${encodeURIComponent(name)}`, isAsleep);
    },
    status: () => ({ ...joinStatuses(watches, clock.monotonic()), engines: engines.counts() }),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};

/** A cluster is known as well as what is known worst of it. */
const joinStatuses = (watches: readonly ListWatch[], now: number): Omit<DiscoveryStatus, "engines"> => {
  const statuses = watches.map(({ status }) => status());
  const oldest = Math.min(...statuses.map(({ lastContactAt }) => lastContactAt ?? Number.NEGATIVE_INFINITY));
  return {
    isSynced: statuses.every(({ isSynced }) => isSynced),
    ...(Number.isFinite(oldest) && { staleMs: now - oldest }),
    error: statuses.find(({ error }) => error !== undefined)?.error,
  };
};
