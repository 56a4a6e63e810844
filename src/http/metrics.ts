import type { AdmissionState } from "../admission/waiting.ts";
import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { HostUsage } from "../core/host-usage.ts";
import type { ReloadStatus } from "../core/reload-status.ts";
import type { RequestStats } from "../core/request-stats.ts";
import type { Fleet } from "../fleet/fleet.ts";
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
  /** Absent where no configuration file is followed. */
  readonly reloadStatus?: (() => ReloadStatus) | undefined;
  /** Absent where discovery has nothing to follow. */
  readonly discoveryStatus?: (() => DiscoveryStatus) | undefined;
}

/** Creates the answer of `GET /metrics`: everything is there already, nothing is asked of anybody. */
export const createMetricsAnswer =
  ({ fleet, requests, engineStats, hostUsage, metrics, admission, ...deps }: MetricsDeps) =>
  (): Response => {
    const engines = fleet.endpoints.map(({ id, url }) => ({
      url,
      state: fleet.stateOf(id),
      requests: requests.of(id),
      engine: engineStats(id),
    }));
    const { droppedLines, reloadStatus, discoveryStatus } = deps;
    if (droppedLines) metrics.droppedLines(droppedLines());
    metrics.admission({ underWay: admission.underWay.value(), waiting: admission.waiting.value() });
    if (reloadStatus) metrics.reloads(reloadStatus());
    metrics.discovery(discoveryStatus?.());
    return new Response(metrics.text(engines, hostUsage()), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  };
