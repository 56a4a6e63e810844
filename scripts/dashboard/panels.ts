import { largest, once, quantile, rate, total } from "./queries.ts";

/** What one panel shows. */
export interface Panel {
  readonly title: string;
  readonly description?: string;
  /** As Grafana names it. */
  readonly unit: string;
  /** Each with its legend, in which `{{label}}` is the value of a label. */
  readonly queries: readonly (readonly [expression: string, legend: string])[];
}

/** The panels by the rows that they are in. */
export const rows: readonly (readonly [title: string, panels: readonly Panel[]])[] = [
  [
    "Requests",
    [
      {
        title: "Requests",
        unit: "reqps",
        queries: [[rate("vllm:num_incoming_requests_total", "model"), "{{model}}"]],
      },
      {
        title: "Time to the first token",
        unit: "s",
        queries: [
          [quantile(0.5, "vllm_router_time_to_first_token_seconds"), "half"],
          [quantile(0.99, "vllm_router_time_to_first_token_seconds"), "99 %"],
        ],
      },
      {
        title: "Time between tokens",
        unit: "s",
        queries: [
          [quantile(0.5, "vllm_router_inter_token_latency_seconds"), "half"],
          [quantile(0.99, "vllm_router_inter_token_latency_seconds"), "99 %"],
        ],
      },
      {
        title: "Tokens in a second",
        unit: "short",
        queries: [
          [rate("vllm:input_tokens_total"), "read"],
          [rate("vllm:output_tokens_total"), "written"],
        ],
      },
      {
        title: "Attempts by their end",
        description: "failed is what engines owe; client_closed is nobody's fault.",
        unit: "reqps",
        queries: [[rate("vllm_router_attempts_total", "outcome"), "{{outcome}}"]],
      },
      {
        title: "Saved and turned away",
        description: "Further attempts on other engines, and requests that no engine was asked about.",
        unit: "reqps",
        queries: [
          [rate("vllm_router_retries_total"), "further attempts"],
          [rate("vllm_router_rejected_requests_total", "reason"), "{{reason}}"],
        ],
      },
    ],
  ],
  [
    "Engines",
    [
      {
        title: "Engines by their state",
        description: "An engine that routers see differently counts in each of its states.",
        unit: "short",
        queries: [[once("vllm_router_engine_state", "state"), "{{state}}"]],
      },
      {
        title: "Ejections in a second",
        unit: "short",
        queries: [[rate("vllm_router_ejections_total", "reason"), "{{reason}}"]],
      },
      {
        title: "At the engines",
        unit: "short",
        queries: [
          [once("vllm:num_requests_running"), "running"],
          [once("vllm:num_requests_waiting"), "waiting"],
        ],
      },
      {
        title: "Prefixes found in the cache",
        unit: "percentunit",
        queries: [[largest("vllm:gpu_prefix_cache_hit_rate", "server"), "{{server}}"]],
      },
      {
        title: "Choices by their reason",
        unit: "reqps",
        queries: [[rate("vllm_router_routing_decisions_total", "reason"), "{{reason}}"]],
      },
      {
        title: "How old the word of the Kubernetes API is",
        unit: "s",
        queries: [[largest("vllm_router_discovery_staleness_seconds"), "the oldest"]],
      },
    ],
  ],
  [
    "Routers",
    [
      {
        title: "Under way",
        unit: "short",
        queries: [
          [total("vllm_router_requests_under_way"), "requests"],
          [total("vllm_router_active_streams"), "streams"],
          [total("vllm_router_queue_depth"), "waiting to be let in"],
        ],
      },
      {
        title: "Time in the router",
        unit: "s",
        queries: [
          [quantile(0.5, "vllm_router_overhead_seconds"), "half"],
          [quantile(0.99, "vllm_router_overhead_seconds"), "99 %"],
        ],
      },
      {
        title: "How late the event loop is",
        unit: "s",
        queries: [[quantile(0.99, "vllm_router_event_loop_lag_seconds"), "99 %"]],
      },
      {
        title: "Processors",
        unit: "short",
        queries: [[rate("process_cpu_seconds_total"), "in use"]],
      },
      { title: "Memory", unit: "bytes", queries: [[total("process_resident_memory_bytes"), "in use"]] },
      {
        title: "Changes of the configuration in a second",
        unit: "short",
        queries: [[rate("vllm_router_config_reloads_total", "result"), "{{result}}"]],
      },
    ],
  ],
];
