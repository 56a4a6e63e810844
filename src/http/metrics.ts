import type { AdmissionState } from "../admission/waiting.ts";
import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { HostUsage } from "../core/host-usage.ts";
import type { ReloadStatus } from "../core/reload-status.ts";
import type { RequestStats } from "../core/request-stats.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { MetricsState } from "../metrics/registry.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";

interface MetricsDeps {
  readonly fleet: Pick<Fleet, "endpoints" | "stateOf">;
  readonly requests: { readonly of: (endpointId: string) => RequestStats };
  readonly engineStats: (endpointId: string) => EngineStats | undefined;
  readonly hostUsage: () => HostUsage | undefined;
  /** Lines of the log that were dropped until now; absent where nobody counts them. */
  readonly droppedLines?: (() => number) | undefined;
  readonly metrics: Pick<RouterMetrics, "admission" | "discovery" | "reloads" | "droppedLines" | "text">;
  readonly admission: AdmissionState;
  /** What other threads have counted of these servers; absent where this one counts all. */
  readonly othersCounted?: ((servers: ReadonlySet<string>) => Promise<readonly MetricsState[]>) | undefined;
  /** Absent where no configuration file is followed. */
  readonly reloadStatus?: (() => ReloadStatus) | undefined;
  /** Absent where discovery has nothing to follow. */
  readonly discoveryStatus?: (() => DiscoveryStatus) | undefined;
}

/** Creates the answer of `GET /metrics`: what is there already, here or in other threads; no engine is asked. */
export const createMetricsAnswer =
  ({ fleet, requests, engineStats, hostUsage, metrics, admission, ...deps }: MetricsDeps) =>
  async (): Promise<Response> => {
    const { othersCounted, droppedLines, reloadStatus, discoveryStatus } = deps;
    const others = await othersCounted?.(new Set(fleet.endpoints.map(({ url }) => url)));
    const engines = fleet.endpoints.map(({ id, url }) => ({
      url,
      state: fleet.stateOf(id),
      requests: requests.of(id),
      engine: engineStats(id),
    }));
    if (droppedLines) metrics.droppedLines(droppedLines());
    metrics.admission({ underWay: admission.underWay.value(), waiting: admission.waiting.value() });
    if (reloadStatus) metrics.reloads(reloadStatus());
    metrics.discovery(discoveryStatus?.());
    return new Response(metrics.text(engines, hostUsage(), others), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  };
