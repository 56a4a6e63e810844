import type { Clock } from "../core/clock.ts";
import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { HostUsage } from "../core/host-usage.ts";
import type { ReloadStatus } from "../core/reload-status.ts";
import type { RequestObserver } from "../core/request-stats.ts";
import { type AdmissionSeries, createAdmissionSeries } from "./admission-series.ts";
import { type Arrivals, createArrivals } from "./arrivals.ts";
import { writeDiscovery } from "./discovery-series.ts";
import { createEngineGauges, type EngineReading } from "./engine-gauges.ts";
import { createHostSeries } from "./host-series.ts";
import { addsUp, createRegistry, type MetricsState } from "./registry.ts";

/** The series of requests to one engine for one model. */
export interface RequestSeries extends RequestObserver {
  /** The engine was chosen, by a rule of a closed set. */
  readonly routed: (rule: string) => void;
  /** The engine failed: before its answer, or while it streamed. */
  readonly failed: (code: ErrorCode, phase: "before" | "while") => void;
  /** A stream ended before it was complete, as if nothing were wrong. */
  readonly unterminated: () => void;
}

/** What the router counts, and its text for Prometheus. It outlives reloads. */
export interface RouterMetrics extends AdmissionSeries, Arrivals {
  readonly seriesOf: (server: string, model: string) => RequestSeries;
  readonly retried: (model: string) => void;
  /** An engine was ejected, or is for longer; `reason` is one of a closed set. */
  readonly ejected: (server: string, reason: string) => void;
  /** An answer has ended that came whole, so many milliseconds after its request. */
  readonly answered: (model: string, elapsedMs: number) => void;
  /** A prefill for an engine that decodes has ended. */
  readonly prefilled: (model: string, outcome: "done" | "refused" | "failed", elapsedMs: number) => void;
  readonly overhead: (ms: number) => void;
  /** The ids of all engines that there are now. */
  readonly engines: (ids: ReadonlySet<string>) => void;
  /** What came of changes of the configuration file until now. */
  readonly reloads: (status: ReloadStatus) => void;
  /** How late a timer of the router came. */
  readonly loopLag: (ms: number) => void;
  /** Lines of the log that were dropped until now. */
  readonly droppedLines: (total: number) => void;
  /** How well the cluster is known in which engines are found; nothing where they are found otherwise. */
  readonly discovery: (status: DiscoveryStatus | undefined) => void;
  /** What was counted here, for the thread that answers scrapes; what is not of these servers is dropped. */
  readonly state: (servers: ReadonlySet<string>) => MetricsState;
  /** The text of a scrape, with what other threads counted; what is not of these engines is dropped. */
  readonly text: (
    engines: readonly EngineReading[],
    host: HostUsage | undefined,
    others?: readonly MetricsState[],
  ) => string;
}

// Names of the exceptions that the Python router counts under; alerts are written against them.
const ERROR_TYPES: Readonly<Partial<Record<ErrorCode, string>>> = {
  upstream_unreachable: "ClientConnectorError",
  upstream_reset: "ServerDisconnectedError",
  upstream_invalid: "ClientResponseError",
  upstream_timeout: "ServerTimeoutError",
};

/** Counts for one process. */
export const createRouterMetrics = (
  { version, runtime }: { readonly version: string; readonly runtime: string },
  { clock }: { readonly clock: Pick<Clock, "now"> },
): RouterMetrics => {
  const registry = createRegistry({ clock });
  const { counter, gauge, histogram } = registry;
  const seriesByServer = new Map<string, Map<string, RequestSeries>>();
  let engineIds: ReadonlySet<string> = new Set();
  const engineGauges = createEngineGauges(registry);
  const durations = new Map<string, ReturnType<typeof histogram>>();
  const overhead = histogram("vllm_router_overhead_seconds", {});
  const lag = histogram("vllm_router_event_loop_lag_seconds", {});
  const tellHost = createHostSeries(registry);
  gauge("vllm_router_build_info", { version, runtime }).set(1);
  const changes = {
    added: counter("vllm_router_discovery_changes_total", { change: "added" }),
    removed: counter("vllm_router_discovery_changes_total", { change: "removed" }),
  };

  const createReloadSeries = () => ({
    success: counter("vllm_router_config_reloads_total", { result: "success" }),
    failure: counter("vllm_router_config_reloads_total", { result: "failure" }),
    isRight: gauge("vllm_router_config_last_reload_successful", {}),
    at: gauge("vllm_router_config_last_reload_timestamp_seconds", {}),
  });
  let reloads: ReturnType<typeof createReloadSeries> | undefined;
  let dropped = 0;
  let told: ReloadStatus = { succeeded: 0, failed: 0 };

  const createSeries = (server: string, model: string): RequestSeries => {
    const names = { server, model };
    const firstTokens = histogram("vllm_router_time_to_first_token_seconds", names);
    const gaps = histogram("vllm_router_inter_token_latency_seconds", names);
    const successes = histogram("vllm:request_latency_seconds", { ...names, status: "success" });
    const errors = () => histogram("vllm:request_latency_seconds", { ...names, status: "error" });
    const input = counter("vllm:input_tokens_total", names);
    const output = counter("vllm:output_tokens_total", names);
    const streams = gauge("vllm_router_active_streams", names);
    const outcomeOf = (outcome: string) => counter("vllm_router_attempts_total", { ...names, outcome });
    const outcomes = {
      done: outcomeOf("done"),
      refused: outcomeOf("refused"),
      failed: outcomeOf("failed"),
      client_closed: outcomeOf("client_closed"),
    };
    const decisions = new Map<string, ReturnType<typeof counter>>();
    return {
      routed: (rule) => {
        let decided = decisions.get(rule);
        if (!decided) {
          decided = counter("vllm_router_routing_decisions_total", { ...names, reason: rule });
          decisions.set(rule, decided);
        }
        decided.add(1);
      },
      began: () => {},
      streamBegan: (ms) => {
        streams.add(1);
        firstTokens.observe(ms / 1000);
      },
      streamWentOn: (ms) => gaps.observe(ms / 1000),
      tokens: (usage) => {
        input.add(usage.input);
        output.add(usage.output);
      },
      failed: (code, phase) => {
        const type = phase === "while" ? "ClientPayloadError" : ERROR_TYPES[code];
        if (type !== undefined) counter("vllm:request_errors_total", { ...names, error_type: type }).add(1);
      },
      unterminated: () => counter("vllm_router_stream_unterminated_total", names).add(1),
      ended: (outcome, ms, wasStream) => {
        if (wasStream) streams.add(-1);
        outcomes[outcome].add(1);
        if (outcome === "done") successes.observe(ms / 1000);
        // How long a client waited that left says nothing of the engine.
        else if (outcome !== "client_closed") errors().observe(ms / 1000);
      },
    };
  };

  const keepServers = (servers: ReadonlySet<string>): void => {
    registry.keepServers(servers);
    engineGauges.keepServers(servers);
    for (const server of seriesByServer.keys()) if (!servers.has(server)) seriesByServer.delete(server);
  };

  return {
    ...createAdmissionSeries(registry),
    ...createArrivals(registry),
    seriesOf: (server, model) => {
      let byModel = seriesByServer.get(server);
      if (!byModel) seriesByServer.set(server, (byModel = new Map()));
      let series = byModel.get(model);
      if (!series) byModel.set(model, (series = createSeries(server, model)));
      return series;
    },
    ejected: (server, reason) => counter("vllm_router_ejections_total", { server, reason }).add(1),
    retried: (model) => counter("vllm_router_retries_total", { model }).add(1),
    answered: (model, elapsedMs) => {
      let series = durations.get(model);
      if (!series)
        durations.set(model, (series = histogram("vllm_router_request_duration_seconds", { model })));
      series.observe(elapsedMs / 1000);
    },
    prefilled: (model, outcome, elapsedMs) =>
      histogram("vllm_router_prefill_duration_seconds", { model, outcome }).observe(elapsedMs / 1000),
    overhead: (ms) => overhead.observe(ms / 1000),
    engines: (ids) => {
      changes.added.add(ids.difference(engineIds).size);
      changes.removed.add(engineIds.difference(ids).size);
      engineIds = ids;
    },
    reloads: (status) => {
      reloads ??= createReloadSeries();
      reloads.success.add(status.succeeded - told.succeeded);
      reloads.failure.add(status.failed - told.failed);
      reloads.isRight.set(status.error === undefined ? 1 : 0);
      reloads.at.set(status.lastAt === undefined ? undefined : status.lastAt / 1000);
      told = status;
    },
    loopLag: (ms) => lag.observe(ms / 1000),
    droppedLines: (total) => {
      counter("vllm_router_log_lines_dropped_total", {}).add(total - dropped);
      dropped = total;
    },
    discovery: (status) => writeDiscovery(status, registry),
    state: (servers) => {
      keepServers(servers);
      return registry.state(addsUp);
    },
    text: (engines, host, others = []) => {
      const servers = new Set(engines.map(({ url }) => url));
      keepServers(servers);
      engineGauges.fill(engines);
      if (host) tellHost(host);
      if (others.length === 0) return registry.text();
      const all = createRegistry({ clock });
      for (const state of [registry.state(() => true), ...others]) all.include(state);
      all.keepServers(servers);
      return all.text();
    },
  };
};
