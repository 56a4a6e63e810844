import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { ReloadStatus } from "../core/reload-status.ts";
import type { Fleet } from "../fleet/fleet.ts";

/** Seconds until the next probes have told whether an engine is back. */
const RETRY_AFTER = "5";

interface HealthDeps {
  readonly fleet: Pick<Fleet, "counts">;
  /** Whether the process is ending and takes no new requests. */
  readonly isDraining: () => boolean;
  /** What is in effect of the options of the configuration file, where one is followed. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly reloadStatus?: (() => ReloadStatus) | undefined;
  /** Absent where discovery has nothing to follow. */
  readonly discoveryStatus?: (() => DiscoveryStatus) | undefined;
}

/** How the router says that it lives and can serve. */
export interface HealthAnswers {
  /**
   * `GET /health`: the reference's words, which liveness probes read, how many engines are well, and the
   * dynamic configuration where there is one.
   */
  readonly health: () => Response;
  /** `GET /livez`: the process answers, whatever its engines do. */
  readonly livez: () => Response;
  /** `GET /readyz`: 503 while no engine can be routed to, or while the router drains; `?verbose` lists why. */
  readonly readyz: (isVerbose: boolean) => Response;
}

/** Creates the answers, each of which tells the moment at which it is asked for. */
export const createHealthAnswers = ({
  fleet,
  isDraining,
  dynamicConfig,
  reloadStatus,
  discoveryStatus,
}: HealthDeps): HealthAnswers => ({
  health: () => {
    const { total, healthy } = fleet.counts();
    return Response.json({
      status: "healthy",
      endpoints: { total, healthy },
      ...(dynamicConfig && { dynamic_config: dynamicConfig }),
    });
  },
  livez: () => Response.json({ status: "alive" }),
  readyz: (isVerbose) => {
    const endpoints = fleet.counts();
    const draining = isDraining();
    const isReady = !draining && endpoints.routable > 0;
    return Response.json(
      {
        status: isReady ? "ready" : "not ready",
        ...(isVerbose && {
          draining,
          endpoints,
          ...(discoveryStatus && { discovery: describeCluster(discoveryStatus()) }),
          ...(reloadStatus && { config: describeReload(reloadStatus()) }),
        }),
      },
      isReady ? { status: 200 } : { status: 503, headers: { "retry-after": RETRY_AFTER } },
    );
  },
});

const describeReload = ({ succeeded, failed, lastAt, error }: ReloadStatus) => ({
  reloads: succeeded,
  failed_reloads: failed,
  last_reload: lastAt === undefined ? null : new Date(lastAt).toISOString(),
  error: error ?? null,
});

const describeCluster = ({ isSynced, staleMs, error, engines }: DiscoveryStatus) => ({
  synced: isSynced,
  seconds_since_contact: staleMs === undefined ? null : Math.round(staleMs) / 1000,
  engines,
  error: error ?? null,
});
