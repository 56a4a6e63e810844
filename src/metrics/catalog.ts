interface MetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** In alphabetical order, as they are written. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, in its unit; infinity follows by itself. */
  readonly buckets?: readonly number[];
  /** Of a gauge: what each thread that serves has of it makes up the whole, as what is counted always does. */
  readonly addsUp?: true;
}

const SERVER = ["server"] as const;
const SERVER_OF_MODEL = ["model", "server"] as const;

/**
 * Every metric of `GET /metrics`, in the order in which they are written. Names, labels, types and help texts of
 * the first part are those of the Python router, which dashboards and autoscalers depend on.
 */
export const catalog = {
  "vllm:num_requests_running": { type: "gauge", help: "Number of running requests", labels: SERVER },
  "vllm:num_requests_waiting": { type: "gauge", help: "Number of waiting requests", labels: SERVER },
  "vllm:gpu_prefix_cache_hit_rate": { type: "gauge", help: "GPU Prefix Cache Hit Rate", labels: SERVER },
  "vllm:gpu_prefix_cache_hits_total": { type: "gauge", help: "Total GPU Prefix Cache Hits", labels: SERVER },
  "vllm:gpu_prefix_cache_queries_total": {
    type: "gauge",
    help: "Total GPU Prefix Cache Queries",
    labels: SERVER,
  },
  "vllm:current_qps": { type: "gauge", help: "Current Queries Per Second", labels: SERVER },
  "vllm:avg_decoding_length": { type: "gauge", help: "Average Decoding Length", labels: SERVER },
  "vllm:num_prefill_requests": { type: "gauge", help: "Number of Prefill Requests", labels: SERVER },
  "vllm:num_decoding_requests": { type: "gauge", help: "Number of Decoding Requests", labels: SERVER },
  "vllm:healthy_pods_total": { type: "gauge", help: "Number of healthy vLLM pods", labels: SERVER },
  "vllm:avg_latency": { type: "gauge", help: "Average end-to-end request latency", labels: SERVER },
  "vllm:avg_itl": { type: "gauge", help: "Average Inter-Token Latency", labels: SERVER },
  "vllm:num_requests_swapped": { type: "gauge", help: "Number of swapped requests", labels: SERVER },
  "vllm:num_incoming_requests_total": {
    type: "counter",
    help: "Total valid incoming requests to router (including when no backends available).",
    labels: ["model"],
  },
  "vllm:input_tokens_total": {
    type: "counter",
    help: "Total input tokens processed",
    labels: SERVER_OF_MODEL,
  },
  "vllm:output_tokens_total": {
    type: "counter",
    help: "Total output tokens generated",
    labels: SERVER_OF_MODEL,
  },
  "vllm:request_errors_total": {
    type: "counter",
    help: "Total request errors",
    labels: ["error_type", "model", "server"],
  },
  "vllm:request_latency_seconds": {
    type: "histogram",
    help: "End-to-end request latency observed at the router",
    labels: ["model", "server", "status"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  },
  router_cpu_usage_percent: { type: "gauge", help: "CPU usage percent", labels: [] },
  router_memory_usage_percent: { type: "gauge", help: "Memory usage percent", labels: [] },
  router_disk_usage_percent: { type: "gauge", help: "Disk usage percent", labels: [] },

  vllm_router_time_to_first_token_seconds: {
    type: "histogram",
    help: "Time from sending a request to an engine until the first bytes of its stream",
    labels: SERVER_OF_MODEL,
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  },
  vllm_router_inter_token_latency_seconds: {
    type: "histogram",
    help: "Time between two chunks of a stream, which are tokens unless the engine or the network joins them",
    labels: SERVER_OF_MODEL,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10],
  },
  vllm_router_request_duration_seconds: {
    type: "histogram",
    help: "Time from the arrival of a request to the end of its answer, failed attempts included",
    labels: ["model"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
  },
  vllm_router_prefill_duration_seconds: {
    type: "histogram",
    help: "Time that prefills for engines that decode took, failed attempts included, by how they ended: done, refused (4xx) or failed",
    labels: ["model", "outcome"],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
  },
  vllm_router_overhead_seconds: {
    type: "histogram",
    help: "Time in the router from the arrival of a request to the head of its answer, engine time excluded, upload of the body included",
    labels: [],
    buckets: [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  },
  vllm_router_active_streams: {
    type: "gauge",
    addsUp: true,
    help: "Streams that have begun and not ended",
    labels: SERVER_OF_MODEL,
  },
  vllm_router_routing_decisions_total: {
    type: "counter",
    help: "Choices of an engine by their reason: turn, session, rate, load, prefix (it holds the longest), cold (none holds it), spread (load against prefix) or held (so much of it that no other engine prefills)",
    labels: ["model", "reason", "server"],
  },
  vllm_router_attempts_total: {
    type: "counter",
    help: "Requests sent to engines by how they ended: done, refused (4xx), failed or client_closed",
    labels: ["model", "outcome", "server"],
  },
  vllm_router_stream_unterminated_total: {
    type: "counter",
    help: "Streams that their engine ended before they were complete, without a fault of the connection",
    labels: SERVER_OF_MODEL,
  },
  vllm_router_retries_total: {
    type: "counter",
    help: "Attempts beyond the first, on another engine where there was one",
    labels: ["model"],
  },
  vllm_router_engine_state: {
    type: "gauge",
    help: "1 for what an engine is, 0 for what it is not: serving, slow_start, ejected, half_open, unhealthy or asleep",
    labels: ["server", "state"],
  },
  vllm_router_ejections_total: {
    type: "counter",
    help: "Times that an engine was ejected, or stayed so, by why: consecutive_failures, failure_rate or failed_probe",
    labels: ["reason", "server"],
  },
  vllm_router_authorized_requests_total: {
    type: "counter",
    help: "Requests that presented a key, by the name of the key",
    labels: ["key"],
  },
  vllm_router_requests_under_way: {
    type: "gauge",
    help: "Requests that were let in and have not ended",
    labels: [],
  },
  vllm_router_queue_depth: { type: "gauge", help: "Requests that wait to be let in", labels: [] },
  vllm_router_queue_wait_seconds: {
    type: "histogram",
    help: "Time for which requests waited to be let in, or in vain; those that were let in at once are not counted",
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  vllm_router_rejected_requests_total: {
    type: "counter",
    help: "Requests that were turned away before any engine was asked, by the code of their answer",
    labels: ["reason"],
  },
  vllm_router_discovery_changes_total: {
    type: "counter",
    help: "Engines that were added or removed since the start",
    labels: ["change"],
  },
  vllm_router_discovery_synced: {
    type: "gauge",
    help: "1 when there has been a list of the engines from the Kubernetes API",
    labels: [],
  },
  vllm_router_discovery_staleness_seconds: {
    type: "gauge",
    help: "Time since the Kubernetes API last said anything; a quiet cluster says something within two minutes",
    labels: [],
  },
  vllm_router_discovery_engines: {
    type: "gauge",
    help: "Engines in Kubernetes: serving, waiting (ready, but their models not told yet, or coming and going) or unready",
    labels: ["state"],
  },
  vllm_router_config_reloads_total: {
    type: "counter",
    help: "Changes of the configuration file since the start: success where it took effect, failure where it could not be used",
    labels: ["result"],
  },
  vllm_router_config_last_reload_successful: {
    type: "gauge",
    help: "1 while the configuration file says what is in effect, 0 while it cannot be used",
    labels: [],
  },
  vllm_router_config_last_reload_timestamp_seconds: {
    type: "gauge",
    help: "When a change of the configuration file was last dealt with",
    labels: [],
  },
  vllm_router_log_lines_dropped_total: {
    type: "counter",
    help: "Lines of the log that were dropped because their reader was slow or gone",
    labels: [],
  },
  vllm_router_event_loop_lag_seconds: {
    type: "histogram",
    help: "How late a timer of the router comes that is due every second",
    labels: [],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  },
  vllm_router_build_info: {
    type: "gauge",
    help: "1, with the version of the router and of its runtime",
    labels: ["runtime", "version"],
  },

  process_virtual_memory_bytes: { type: "gauge", help: "Virtual memory size in bytes.", labels: [] },
  process_resident_memory_bytes: { type: "gauge", help: "Resident memory size in bytes.", labels: [] },
  process_start_time_seconds: {
    type: "gauge",
    help: "Start time of the process since unix epoch in seconds.",
    labels: [],
  },
  process_cpu_seconds_total: {
    type: "counter",
    help: "Total user and system CPU time spent in seconds.",
    labels: [],
  },
  process_open_fds: { type: "gauge", help: "Number of open file descriptors.", labels: [] },
  process_max_fds: { type: "gauge", help: "Maximum number of open file descriptors.", labels: [] },
} as const satisfies Record<string, MetricRow>;

type Catalog = typeof catalog;

/** Names of the metrics of one type. */
export type MetricName<Type extends MetricRow["type"] = MetricRow["type"]> = {
  [Name in keyof Catalog]: Catalog[Name]["type"] extends Type ? Name : never;
}[keyof Catalog];

/** A value for each label of a metric. */
export type LabelValues<Name extends MetricName> = Readonly<Record<Catalog[Name]["labels"][number], string>>;

/** The label that names a series where the model that a request names is served by nobody. */
export const OTHER_MODEL = "other";
