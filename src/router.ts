import { sendWithEngineKeys, withEngineKeys } from "./access/engine-keys.ts";
import { noLimits } from "./core/deadline-limits.ts";
import { isLoopback, parseRanges } from "./config/addresses.ts";
import type { Config } from "./config/config.ts";
import { createEngines, type EngineView } from "./engines.ts";
import { createFront } from "./front.ts";
import { createApp } from "./http/app.ts";
import { createEngineControl } from "./http/engine-control.ts";
import type { Entrance } from "./http/entrance.ts";
import { createExplain } from "./http/explain.ts";
import { createForwarded, createForwardingApp } from "./http/forwarded.ts";
import { createHealthAnswers } from "./http/health.ts";
import { createMetricsAnswer } from "./http/metrics.ts";
import { createHostSampler } from "./metrics/host-sampler.ts";
import { createLoopLag } from "./metrics/loop-lag.ts";
import { createRouterMetrics } from "./metrics/router-metrics.ts";
import { createReadBody } from "./proxy/body.ts";
import { createRetryBudget } from "./proxy/retry-budget.ts";
import { createForward, type ForwardDeps } from "./proxy/forward.ts";
import { createFetchSend } from "./proxy/fetch-send.ts";
import { createPrefill } from "./proxy/prefill.ts";
import { createRequestHeaders } from "./proxy/request-headers.ts";
import { createPolicy, handoverOf } from "./routing/index.ts";
import { joinRouting } from "./routing/shared-routing.ts";
import type { RouterLegacy } from "./router-legacy.ts";
import type { RouterPlatform } from "./router-platform.ts";
import { version } from "./version.ts";

/** A running router, to be mounted on a server. Disposing it ends its loops, not its requests. */
export interface Router extends AsyncDisposable {
  readonly fetch: Entrance;
  /** The same for a second listener, which takes metrics and control away from the first one. */
  readonly admin: Entrance;
  /** The same as `fetch` for requests that another way in has let in already: no key is asked for. */
  readonly inside: Entrance;
  /** What is known of engines but by requests. */
  readonly view: () => EngineView;
  /** Has an engine probed at once to which no connection could be made. */
  readonly suspect: (endpointId: string) => void;
  /** Takes in now what has changed of engines, and not with the next request. */
  readonly catchUp: () => void;
  /** Ends the requests that are under way, those of routers that it took over from included, with an error. */
  readonly cut: () => void;
  /** Looks at the files of keys. */
  readonly lookAtKeys: () => Promise<void>;
  /** As it is when asked for. */
  readonly legacy: () => RouterLegacy;
}

/**
 * Builds a router from a valid configuration: the only place that sees all parts. One that takes over from
 * another goes on with what that knows of engines that stay, and shares the accounts of requests.
 */
export const createRouter = (config: Config, platform: RouterPlatform, previous?: RouterLegacy): Router => {
  const { clock, log, reach, random, reloadStatus, onRouted } = platform;
  const { isDraining = () => false, createEngines: makeEngines = createEngines, elsewhere } = platform;
  const parts = new AsyncDisposableStack();
  const { aliases, engineApiKey } = config;
  const { maxRequestBodyBytes } = config.server;
  const backends = config.discovery.kind === "static" ? config.discovery.backends : [];
  const keys = backends.flatMap(({ url, apiKey }) => (apiKey === undefined ? [] : [[url, apiKey] as const]));
  const fetch = withEngineKeys(platform.fetch, new Map(keys));
  const send = sendWithEngineKeys(platform.send ?? createFetchSend(platform.fetch), new Map(keys));

  const metrics =
    previous?.metrics ?? createRouterMetrics({ version, runtime: `bun ${Bun.version}` }, { clock });
  const front = parts.use(createFront(config, { ...platform, metrics, isDraining }, previous?.front));
  parts.use(createLoopLag(metrics.loopLag, { clock }));
  const host = platform.readHost && parts.use(createHostSampler(platform.readHost, { clock, log }));
  // A policy holds turns and rings; of engines that are gone it forgets what it must by itself.
  const isSameRouting = previous !== undefined && Bun.deepEquals(previous.routing, config.routing, true);
  const { sharing } = platform;
  const shared = sharing && joinRouting(sharing.memory.routing, sharing.seat);
  const policy = isSameRouting ? previous.policy : createPolicy(config.routing, { random, ...shared });
  const engines = parts.use(
    makeEngines(
      config,
      { ...platform, fetch, metrics, onServing: (ids) => policy.keepOnly?.(ids) },
      previous?.engines,
    ),
  );
  const { fleet, requests, discovery, statsOf } = engines;
  const limits = config.deadlines ?? noLimits;
  const budgets = previous?.budgets ?? { answers: createRetryBudget(), prefills: createRetryBudget() };
  const forwardDeps: ForwardDeps = {
    fleet,
    policy: platform.record?.(policy) ?? policy,
    requests,
    metrics,
    answerFields: config.answerFields ?? { endpoint: false, reason: false, serverTiming: false },
    aliases,
    countsStreams: config.countsStreams,
    maxAttempts: config.maxReroutes + 1,
    budget: budgets.answers,
    room: front.admission.room,
    limits,
    requestHeaders: createRequestHeaders({
      credentials: config.access && { apiKey: engineApiKey },
      isTrusted: parseRanges(config.trustedProxies ?? []).contains,
    }),
    send,
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
    createPrefill(handover, {
      ...forwardDeps,
      fleet: fleet.prefill,
      policy: policy.prefill,
      budget: budgets.prefills,
    });
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
    engineStats: statsOf,
    hostUsage: () => host?.usage(),
    droppedLines: platform.droppedLines,
    metrics,
    admission: front.legacy.admission,
    othersCounted: platform.othersCounted,
    reloadStatus,
    discoveryStatus,
  });
  const { admission } = front;
  const readBody = createReadBody(limits.bodyMs, { clock });
  const { requestMs } = limits;
  const forwarded = createForwarded({ admission, forward, readBody, maxRequestBodyBytes, requestMs });
  const routes = {
    fleet,
    aliases,
    admission,
    forwarded,
    control,
    healthAnswers,
    metricsAnswer,
    version,
    maxRequestBodyBytes,
    readBody,
    createdAt,
  };

  const explain = createExplain({ fleet, policy, prefill, aliases, monotonic: clock.monotonic });
  // What tells of engines and load is not for everybody who may ask for an answer.
  const isGuarded = config.access !== undefined || isLoopback(config.server.host);

  const app = elsewhere
    ? createForwardingApp(forwarded, elsewhere)
    : createApp(config.admin ? "clients" : "all", { ...routes, explain: isGuarded ? explain : undefined });

  return {
    fetch: front.open(app),
    inside: front.open(app, { isLetIn: true }),
    view: engines.view,
    suspect: engines.suspect,
    catchUp: fleet.catchUp,
    admin: front.open(createApp("admin", { ...routes, explain })),
    cut: front.cut,
    lookAtKeys: front.lookAtKeys,
    legacy: () => ({
      routing: config.routing,
      front: front.legacy,
      policy,
      engines: engines.legacy(),
      metrics,
      budgets,
      createdAt,
    }),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
