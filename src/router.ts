import { withEngineKeys } from "./access/engine-keys.ts";
import type { Clock } from "./core/clock.ts";
import { noLimits } from "./core/deadline-limits.ts";
import type { Endpoint } from "./core/endpoint.ts";
import type { EngineFetch } from "./core/engine-fetch.ts";
import type { EngineReach } from "./core/engine-reach.ts";
import type { ReadHost } from "./core/host-usage.ts";
import type { Log } from "./core/log.ts";
import type { ReadMemory } from "./core/memory-use.ts";
import type { ReloadStatus } from "./core/reload-status.ts";
import type { SampleTrace } from "./core/request-trace.ts";
import { isLoopback, parseRanges } from "./config/addresses.ts";
import type { Config } from "./config/config.ts";
import { createDiscovery } from "./discovery/index.ts";
import { createFleet } from "./fleet/fleet.ts";
import { createService } from "./fleet/service.ts";
import { createSleepStates, type SleepStates } from "./fleet/sleep-states.ts";
import { createEngineHealth } from "./health/engine-health.ts";
import type { Health } from "./health/health.ts";
import { createOutliers, type Outliers } from "./health/outliers.ts";
import { isModelType } from "./health/payloads.ts";
import { createFront, type FrontLegacy } from "./front.ts";
import type { KubeApi } from "./kubernetes/api.ts";
import { createApp } from "./http/app.ts";
import { createEngineControl } from "./http/engine-control.ts";
import type { Entrance } from "./http/entrance.ts";
import { createExplain } from "./http/explain.ts";
import { createHealthAnswers } from "./http/health.ts";
import { createMetricsAnswer } from "./http/metrics.ts";
import { createHostSampler } from "./metrics/host-sampler.ts";
import { createLoopLag } from "./metrics/loop-lag.ts";
import { createRouterMetrics, type RouterMetrics } from "./metrics/router-metrics.ts";
import { createReadBody } from "./proxy/body.ts";
import { createForward, type ForwardDeps, type Routed } from "./proxy/forward.ts";
import { createPrefill } from "./proxy/prefill.ts";
import { createRequestHeaders } from "./proxy/request-headers.ts";
import { createPolicy, handoverOf, rolesBy } from "./routing/index.ts";
import type { RoutePlan, RoutingPolicy } from "./routing/policy.ts";
import { createScraper, type Reading } from "./stats/scraper.ts";
import { createStatsLog } from "./stats/stats-log.ts";
import { createRequestLedger, type RequestLedger } from "./stats/request-ledger.ts";
import { version } from "./version.ts";

/** Everything impure that a router is lent; it outlives the router. */
export interface Platform {
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch: EngineFetch;
  readonly reach: EngineReach;
  /** From 0, below 1. */
  readonly random: () => number;
  /** Whether the process is ending; never where it is not lent. */
  readonly isDraining?: (() => boolean) | undefined;
  /** What came of changes of the configuration file; absent where none is followed. */
  readonly reloadStatus?: (() => ReloadStatus) | undefined;
  /** The API server of the cluster; needed where engines are found in one. */
  readonly kubernetes?: KubeApi | undefined;
  /** Told of failures that only a person can end. */
  readonly onFailure?: ((error: Error) => void) | undefined;
  /** Absent where nobody wants to know how busy the machine is. */
  readonly readHost?: ReadHost | undefined;
  /** Lines of the log that were dropped until now; absent where nobody counts them. */
  readonly droppedLines?: (() => number) | undefined;
  /** Absent where the process has all of the memory, or nobody cares. */
  readonly readMemory?: ReadMemory | undefined;
  /** Has garbage collected; nothing where it is not lent. */
  readonly collect?: (() => void) | undefined;
  /** Absent where no request is traced. */
  readonly sampleTrace?: SampleTrace | undefined;
  /** Adds to the policy whoever writes down what it is asked; absent where nobody does. */
  readonly record?: ((policy: RoutingPolicy<RoutePlan>) => RoutingPolicy<RoutePlan>) | undefined;
  /** Told which engine was chosen for a request and why; the demo shows it. */
  readonly onRouted?: ((routed: Routed) => void) | undefined;
}

/** What a router knows that the one that takes over from it goes on with. */
export interface Legacy {
  readonly routing: Config["routing"];
  readonly policy: RoutingPolicy<RoutePlan>;
  readonly front: FrontLegacy;
  readonly requests: RequestLedger;
  readonly metrics: RouterMetrics;
  readonly sleep: SleepStates;
  /** By engine and model. */
  readonly health: Map<string, Health>;
  /** What requests say of engines, and the options by which they were judged. */
  readonly outliers: Outliers;
  readonly outlierOptions: Config["outliers"];
  /** What engines said of themselves, by engine. */
  readonly readings: Map<string, Reading>;
  readonly endpoints: readonly Endpoint[];
  /** Models that discovery has ever found. */
  readonly seen: Set<string>;
  readonly createdAt: number;
}

/** A running router, to be mounted on a server. Disposing it ends its loops, not its requests. */
export interface Router extends AsyncDisposable {
  readonly fetch: Entrance;
  /** The same for a second listener, which takes metrics and control away from the first one. */
  readonly admin: Entrance;
  /** Ends the requests that are under way, those of routers that it took over from included, with an error. */
  readonly cut: () => void;
  /** Looks at the files of keys. */
  readonly lookAtKeys: () => Promise<void>;
  /** As it is when asked for. */
  readonly legacy: () => Legacy;
}

/**
 * Builds a router from a valid configuration: the only place that sees all parts. One that takes over from
 * another goes on with what that knows of engines that stay, and shares the accounts of requests.
 */
export const createRouter = (config: Config, platform: Platform, previous?: Legacy): Router => {
  const { clock, log, reach, random, reloadStatus, onRouted } = platform;
  const { isDraining = () => false } = platform;
  const parts = new AsyncDisposableStack();
  const { aliases, engineApiKey } = config;
  const { maxRequestBodyBytes } = config.server;
  const backends = config.discovery.kind === "static" ? config.discovery.backends : [];
  const keys = backends.flatMap(({ url, apiKey }) => (apiKey === undefined ? [] : [[url, apiKey] as const]));
  const fetch = withEngineKeys(platform.fetch, new Map(keys));

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
      kubernetes: platform.kubernetes,
      onFailure: platform.onFailure,
    }),
  );
  const requests =
    previous?.requests ??
    createRequestLedger({ windowMs: config.requestStatsWindowSeconds * 1000 }, { clock });
  const metrics =
    previous?.metrics ?? createRouterMetrics({ version, runtime: `bun ${Bun.version}` }, { clock });
  const front = parts.use(createFront(config, { ...platform, metrics, isDraining }, previous?.front));
  parts.use(createLoopLag(metrics.loopLag, { clock }));
  const host = platform.readHost && parts.use(createHostSampler(platform.readHost, { clock, log }));
  if (previous) sleep.keepOnly(new Set(discovery.endpoints.map(({ id }) => id)));
  // A policy holds turns and rings; of engines that are gone it forgets what it must by itself.
  const isSameRouting = previous !== undefined && Bun.deepEquals(previous.routing, config.routing, true);
  const policy = isSameRouting ? previous.policy : createPolicy(config.routing, { random });
  const states = previous?.health ?? new Map<string, Health>();
  const types = new Map(backends.map((backend) => [backend.url, backend.types]));
  const isSameJudge =
    previous !== undefined && Bun.deepEquals(previous.outlierOptions, config.outliers, true);
  const outliers = isSameJudge
    ? previous.outliers
    : createOutliers(config.outliers ?? { slowStartMs: 0 }, {
        clock,
        log,
        random,
        healthChangedAt: (id) => states.get(id)?.changedAt,
        onEjected: metrics.ejected,
      });
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
  const engineStats = (endpointId: string) => scraper?.of(endpointId);
  if (logStatsIntervalSeconds !== undefined) {
    const rows = () =>
      discovery.endpoints.map((endpoint) => ({
        endpoint,
        requests: requests.of(endpoint.id),
        engine: engineStats(endpoint.id),
      }));
    parts.use(createStatsLog({ intervalMs: logStatsIntervalSeconds * 1000, rows }, { clock, log }));
  }
  let isOver = false;
  parts.defer(() => {
    isOver = true;
  });
  const fleet = createFleet(
    discovery,
    {
      of: requests.of,
      // Requests that are still under way here must not close the accounts of the router that took over.
      keepOnly: (ids) => {
        if (isOver) return;
        requests.keepOnly(ids);
        metrics.engines(ids);
      },
      serving: (ids) => {
        if (!isOver) policy.keepOnly?.(ids);
      },
      engine: engineStats,
    },
    sleep,
    {
      health,
      roleOf: rolesBy(config.routing),
      service: createService(
        {
          outliers,
          panicMode: config.outliers?.panicMode ?? "route",
          suspect: health.suspect,
          isOver: () => isOver,
        },
        { random },
      ),
    },
  );
  const forwardDeps: ForwardDeps = {
    fleet,
    policy: platform.record?.(policy) ?? policy,
    requests,
    metrics,
    answerFields: config.answerFields ?? { endpoint: false, reason: false, serverTiming: false },
    aliases,
    countsStreams: config.countsStreams,
    maxAttempts: config.maxReroutes + 1,
    room: front.admission.room,
    limits: config.deadlines ?? noLimits,
    requestHeaders: createRequestHeaders({
      credentials: config.access && { apiKey: engineApiKey },
      isTrusted: parseRanges(config.trustedProxies ?? []).contains,
    }),
    fetch,
    reach,
    clock,
    random,
    log,
    onRouted,
  };
  const handover = handoverOf(config.routing.logic);
  const prefill =
    handover &&
    policy.prefill &&
    createPrefill(handover, { ...forwardDeps, fleet: fleet.prefill, policy: policy.prefill });
  const forward = createForward({ ...forwardDeps, prefill });
  const { markSleeping, status: discoveryStatus } = discovery;
  const control = createEngineControl({ fleet, fetch, clock, log, engineApiKey, markSleeping });
  const createdAt = previous?.createdAt ?? Math.floor(clock.now() / 1000);
  const healthAnswers = createHealthAnswers({
    fleet,
    isDraining,
    dynamicConfig: config.dynamicConfig,
    reloadStatus,
    discoveryStatus,
  });
  const metricsAnswer = createMetricsAnswer({
    fleet,
    requests,
    engineStats,
    hostUsage: () => host?.usage(),
    droppedLines: platform.droppedLines,
    metrics,
    admission: front.legacy.admission,
    reloadStatus,
    discoveryStatus,
  });
  const routes = {
    fleet,
    aliases,
    admission: front.admission,
    forward,
    control,
    healthAnswers,
    metricsAnswer,
    version,
    maxRequestBodyBytes,
    readBody: createReadBody((config.deadlines ?? noLimits).bodyMs, { clock }),
    createdAt,
  };

  const explain = createExplain({ fleet, policy, prefill, aliases, monotonic: clock.monotonic });
  // What tells of engines and load is not for everybody who may ask for an answer.
  const isGuarded = config.access !== undefined || isLoopback(config.server.host);

  return {
    fetch: front.open(
      createApp(config.admin ? "clients" : "all", { ...routes, explain: isGuarded ? explain : undefined }),
    ),
    admin: front.open(createApp("admin", { ...routes, explain })),
    cut: front.cut,
    lookAtKeys: front.lookAtKeys,
    legacy: () => ({
      routing: config.routing,
      front: front.legacy,
      policy,
      requests,
      metrics,
      sleep,
      health: states,
      outliers,
      outlierOptions: config.outliers,
      readings,
      endpoints: discovery.endpoints,
      seen,
      createdAt,
    }),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
