import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { Registry } from "./registry.ts";

/** How well the cluster is known in which engines are found; there is nothing to tell where they are found otherwise. */
export const writeDiscovery = (
  status: DiscoveryStatus | undefined,
  { gauge }: Pick<Registry, "gauge">,
): void => {
  const { isSynced, staleMs, engines } = status ?? {};
  gauge("vllm_router_discovery_synced", {}).set(isSynced === undefined ? undefined : Number(isSynced));
  gauge("vllm_router_discovery_staleness_seconds", {}).set(
    staleMs === undefined ? undefined : staleMs / 1000,
  );
  for (const state of ["serving", "waiting", "unready"] as const) {
    gauge("vllm_router_discovery_engines", { state }).set(engines?.[state]);
  }
};
