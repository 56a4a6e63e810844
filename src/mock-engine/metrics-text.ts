import { finishReasons, type EngineStats } from "./engine-stats.ts";
import type { Histogram } from "./histogram.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the text says beside the numbers. */
export interface MetricsOptions {
  readonly modelName: string;
  readonly blockSize: number;
  readonly numGpuBlocks: number;
  /** Names of engines older than vLLM 0.9: `gpu_cache_usage_perc` and `gpu_prefix_cache_*`. */
  readonly legacyMetrics: boolean;
  /** Epoch seconds of the engine's start, for the `_created` series. */
  readonly createdSeconds: number;
}

/** A number as Python's prometheus_client writes it. */
const formatNumber = (value: number): string => {
  if (value === Infinity) return "+Inf";
  const text = Number.isInteger(value) ? `${value}.0` : String(value);
  const dot = text.indexOf(".");
  if (dot <= 6 || text.includes("e")) return text;
  const mantissa = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/[0.]+$/, "");
  return `${mantissa}e+${String(dot - 1).padStart(2, "0")}`;
};

const escapeLabel = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

/** The answer of `GET /metrics`, in the Prometheus text format as vLLM writes it. */
export const metricsText = (options: MetricsOptions, scheduler: Scheduler, stats: EngineStats): string => {
  const labels = `engine="0",model_name="${escapeLabel(options.modelName)}"`;
  const created = formatNumber(options.createdSeconds);
  const lines: string[] = [];

  const head = (name: string, type: string, help: string): void => {
    lines.push(`# HELP vllm:${name} ${help}`, `# TYPE vllm:${name} ${type}`);
  };
  const gauge = (name: string, help: string, value: number): void => {
    head(name, "gauge", help);
    lines.push(`vllm:${name}{${labels}} ${formatNumber(value)}`);
  };
  const counter = (name: string, help: string, value: number): void => {
    head(`${name}_total`, "counter", help);
    lines.push(`vllm:${name}_total{${labels}} ${formatNumber(value)}`);
    head(`${name}_created`, "gauge", help);
    lines.push(`vllm:${name}_created{${labels}} ${created}`);
  };
  const histogram = (name: string, help: string, from: Histogram): void => {
    head(name, "histogram", help);
    const counts = from.cumulative();
    counts.forEach((count, index) => {
      const bound = formatNumber(from.bounds[index] ?? Infinity);
      lines.push(`vllm:${name}_bucket{engine="0",le="${bound}",${labels.slice(11)}} ${formatNumber(count)}`);
    });
    lines.push(`vllm:${name}_count{${labels}} ${formatNumber(counts.at(-1) ?? 0)}`);
    lines.push(`vllm:${name}_sum{${labels}} ${formatNumber(from.sum())}`);
    head(`${name}_created`, "gauge", help);
    lines.push(`vllm:${name}_created{${labels}} ${created}`);
  };

  const { preemptions, prefixQueries, prefixHits } = scheduler.totals();
  gauge("num_requests_running", "Number of requests in model execution batches.", scheduler.running());
  gauge("num_requests_waiting", "Number of requests waiting to be processed.", scheduler.waiting());
  if (options.legacyMetrics) {
    gauge("gpu_cache_usage_perc", "GPU KV-cache usage. 1 means 100 percent usage.", scheduler.usage());
    const rate = prefixQueries === 0 ? 0 : prefixHits / prefixQueries;
    gauge("gpu_prefix_cache_hit_rate", "GPU prefix cache block hit rate.", rate);
    counter(
      "gpu_prefix_cache_queries",
      "GPU prefix cache queries, in terms of number of queried tokens.",
      prefixQueries,
    );
    counter(
      "gpu_prefix_cache_hits",
      "GPU prefix cache hits, in terms of number of cached tokens.",
      prefixHits,
    );
  } else {
    gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", scheduler.usage());
    counter(
      "prefix_cache_queries",
      "Prefix cache queries, in terms of number of queried tokens.",
      prefixQueries,
    );
    counter("prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", prefixHits);
  }
  counter("num_preemptions", "Cumulative number of preemption from the engine.", preemptions);
  counter("prompt_tokens", "Number of prefill tokens processed.", stats.promptTokens());
  counter("generation_tokens", "Number of generation tokens processed.", stats.generationTokens());
  head("request_success_total", "counter", "Count of successfully processed requests.");
  for (const reason of finishReasons) {
    const series = `engine="0",finished_reason="${reason}",${labels.slice(11)}`;
    lines.push(`vllm:request_success_total{${series}} ${formatNumber(stats.finished(reason))}`);
  }

  histogram("iteration_tokens_total", "Histogram of number of tokens per engine_step.", stats.stepTokens);
  histogram("request_prompt_tokens", "Number of prefill tokens processed.", stats.promptLength);
  histogram("request_generation_tokens", "Number of generation tokens processed.", stats.outputLength);
  histogram(
    "time_to_first_token_seconds",
    "Histogram of time to first token in seconds.",
    stats.timeToFirstToken,
  );
  if (options.legacyMetrics) {
    histogram(
      "time_per_output_token_seconds",
      "Histogram of time per output token in seconds.",
      stats.interTokenLatency,
    );
  } else {
    histogram(
      "inter_token_latency_seconds",
      "Histogram of inter-token latency in seconds.",
      stats.interTokenLatency,
    );
    histogram(
      "request_time_per_output_token_seconds",
      "Histogram of time_per_output_token_seconds per request.",
      stats.timePerOutputToken,
    );
  }
  histogram("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", stats.endToEnd);
  histogram(
    "request_queue_time_seconds",
    "Histogram of time spent in WAITING phase for request.",
    stats.queueTime,
  );
  histogram(
    "request_inference_time_seconds",
    "Histogram of time spent in RUNNING phase for request.",
    stats.inferenceTime,
  );
  histogram(
    "request_prefill_time_seconds",
    "Histogram of time spent in PREFILL phase for request.",
    stats.prefillTime,
  );
  histogram(
    "request_decode_time_seconds",
    "Histogram of time spent in DECODE phase for request.",
    stats.decodeTime,
  );

  head("cache_config_info", "gauge", "Information of the LLMEngine CacheConfig");
  lines.push(
    `vllm:cache_config_info{block_size="${options.blockSize}",cache_dtype="auto",enable_prefix_caching="True",` +
      `engine="0",num_gpu_blocks="${options.numGpuBlocks}",prefix_caching_hash_algo="sha256"} 1.0`,
  );
  return `${lines.join("\n")}\n`;
};
