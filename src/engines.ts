import type { Config } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import type { Endpoint } from "./core/endpoint.ts";
import type { EngineFetch } from "./core/engine-fetch.ts";
import type { EngineReach } from "./core/engine-reach.ts";
import type { EngineStats } from "./core/engine-stats.ts";
import type { Log } from "./core/log.ts";
import type { Discovery } from "./discovery/discovery.ts";
import { createDiscovery } from "./discovery/index.ts";
import { type AccountsDeps, createAccounts, joinFleet, type JudgedAccounts } from "./engine-fleet.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { createSleepStates, type SleepStates } from "./fleet/sleep-states.ts";
import { createEngineHealth, type Excluded } from "./health/engine-health.ts";
import type { Health } from "./health/health.ts";
import { isModelType } from "./health/payloads.ts";
import type { KubeApi } from "./kubernetes/api.ts";
import type { RouterMetrics } from "./metrics/router-metrics.ts";
import type { RequestLedger } from "./stats/request-ledger.ts";
import { createScraper, type Reading } from "./stats/scraper.ts";
import { createStatsLog } from "./stats/stats-log.ts";

/** What is known of engines that whoever takes over goes on with. */
export interface EnginesLegacy extends JudgedAccounts {
  readonly sleep: SleepStates;
  /** By engine and model. */
  readonly health: Map<string, Health>;
  /** What engines said of themselves, by engine. */
  readonly readings: Map<string, Reading>;
  readonly endpoints: readonly Endpoint[];
  /** Models that discovery has ever found. */
  readonly seen: Set<string>;
}

/** What engines are made with. */
export interface EnginesDeps extends Pick<AccountsDeps, "sharing"> {
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch: EngineFetch;
  readonly reach: EngineReach;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly kubernetes?: KubeApi | undefined;
  readonly onFailure?: ((error: Error) => void) | undefined;
  readonly metrics: Pick<RouterMetrics, "engines" | "ejected">;
  /** Told the ids of all engines that can serve, whenever they may have changed. */
  readonly onServing: (endpointIds: ReadonlySet<string>) => void;
}

/** What is known of engines but by requests; sets and lists are replaced whole by every change. */
export interface EngineView {
  readonly endpoints: readonly Endpoint[];
  readonly asleep: ReadonlySet<string>;
  readonly excluded: Excluded;
  /** Monotonic milliseconds at which the probes of an engine last changed their mind. */
  readonly changedAt: (endpointId: string) => number | undefined;
  readonly hasSeen: (model: string) => boolean;
  /** What an engine says of itself. */
  readonly statsOf: (endpointId: string) => EngineStats | undefined;
}

/** The side of a router that faces engines: which there are, how they are, what they have to do. Disposing it ends its loops. */
export interface Engines extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly requests: RequestLedger;
  readonly discovery: Discovery;
  /** What an engine says of itself. */
  readonly statsOf: (endpointId: string) => EngineStats | undefined;
  /** As it is when asked for. */
  readonly view: () => EngineView;
  /** Has an engine probed at once to which a request could make no connection. */
  readonly suspect: (endpointId: string) => void;
  /** As it is when asked for. */
  readonly legacy: () => EnginesLegacy;
}

/** Starts to find, check and count engines; what is known of those that stay is taken over. */
export const createEngines = (
  config: Config,
  { sharing, clock, log, fetch, reach, random, kubernetes, onFailure, metrics, onServing }: EnginesDeps,
  previous?: EnginesLegacy,
): Engines => {
  const parts = new AsyncDisposableStack();
  const { engineApiKey } = config;
  const backends = config.discovery.kind === "static" ? config.discovery.backends : [];
  const states = previous?.health ?? new Map<string, Health>();
  const changedAt = (id: string): number | undefined => states.get(id)?.changedAt;
  const { requests, outliers } = createAccounts(
    config,
    { sharing, clock, log, random, onEjected: metrics.ejected, healthChangedAt: changedAt },
    previous,
  );
  const sleep = previous?.sleep ?? createSleepStates();
  const seen = previous?.seen ?? new Set<string>();
  const discovery = parts.use(
    createDiscovery(config.discovery, {
      clock,
      log,
      fetch,
      random,
      apiKey: engineApiKey,
      known: previous?.endpoints ?? [],
      seen,
      sleep,
      kubernetes,
      onFailure,
    }),
  );
  if (previous) sleep.keepOnly(new Set(discovery.endpoints.map(({ id }) => id)));
  const types = new Map(backends.map((backend) => [backend.url, backend.types]));
  const health = parts.use(
    createEngineHealth(config.health ?? {}, {
      clock,
      log,
      fetch,
      reach,
      random,
      apiKey: engineApiKey,
      endpoints: () => discovery.endpoints,
      isSleeping: (id) => sleep.asleep.has(id),
      typeOf: ({ url }, model) => {
        const type = types.get(url)?.get(model) ?? "";
        return isModelType(type) ? type : undefined;
      },
      lastDataAt: (id) => requests.of(id).lastDataAt,
      returnedAt: outliers.returnedAt,
      onReached: outliers.reached,
      states,
    }),
  );
  const readings = previous?.readings ?? new Map<string, Reading>();
  const { engineStatsIntervalSeconds, logStatsIntervalSeconds } = config;
  const scraper =
    engineStatsIntervalSeconds === undefined
      ? undefined
      : parts.use(
          createScraper(
            {
              endpoints: () => discovery.endpoints,
              intervalMs: engineStatsIntervalSeconds * 1000,
              readings,
            },
            { clock, random, fetch, log, apiKey: engineApiKey },
          ),
        );
  const statsOf = (endpointId: string) => scraper?.of(endpointId);
  if (logStatsIntervalSeconds !== undefined) {
    const rows = () =>
      discovery.endpoints.map((endpoint) => ({
        endpoint,
        requests: requests.of(endpoint.id),
        engine: statsOf(endpoint.id),
      }));
    parts.use(createStatsLog({ intervalMs: logStatsIntervalSeconds * 1000, rows }, { clock, log }));
  }
  const known = { discovery, sleep, health, statsOf };
  const fleet = parts.use(
    joinFleet(config, { ...known, requests, outliers }, { random, metrics, onServing }),
  );

  return {
    fleet,
    requests,
    discovery,
    statsOf,
    view: () => ({
      endpoints: discovery.endpoints,
      asleep: sleep.asleep,
      excluded: health.excluded,
      changedAt,
      hasSeen: discovery.hasSeen,
      statsOf,
    }),
    suspect: health.suspect,
    legacy: () => ({
      requests,
      sleep,
      health: states,
      outliers,
      outlierOptions: config.outliers,
      readings,
      endpoints: discovery.endpoints,
      seen,
    }),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
