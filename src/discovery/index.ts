import type { KubeApi } from "../kubernetes/api.ts";
import type { Discovery } from "./discovery.ts";
import {
  createKubernetesDiscovery,
  describeSelection,
  type KubernetesDeps,
  type KubernetesOptions,
} from "./kubernetes.ts";
import { createStaticDiscovery, type StaticBackend } from "./static.ts";

/** How engines are found, by the word of `--service-discovery`. */
export type DiscoveryConfig<Backend extends StaticBackend = StaticBackend> =
  | { readonly kind: "static"; readonly backends: readonly Backend[] }
  | KubernetesOptions;

interface DiscoveryDeps extends Omit<KubernetesDeps, "api"> {
  /** Needed in a cluster only. */
  readonly kubernetes: KubeApi | undefined;
}

/** Starts to find engines in the configured way. */
export const createDiscovery = (
  config: DiscoveryConfig,
  { kubernetes, ...deps }: DiscoveryDeps,
): Discovery => {
  switch (config.kind) {
    case "static":
      return createStaticDiscovery(config.backends, deps);
    case "k8s":
      if (!kubernetes) throw new TypeError("discovery in a cluster is lent no API server");
      return createKubernetesDiscovery(config, { ...deps, api: kubernetes });
  }
};

/** What there is to find, for the line with which the router starts: `2 engines`. */
export const describeDiscovery = (config: DiscoveryConfig): string => {
  if (config.kind === "static") {
    const { length } = config.backends;
    return `${length} engine${length === 1 ? "" : "s"}`;
  }
  return `${config.labelSelector === "" ? "all " : ""}${describeSelection(config)}, port ${config.port}`;
};
