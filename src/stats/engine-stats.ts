import type { EngineStats, LoraStats } from "../core/engine-stats.ts";
import { readSamples, type Sample } from "./prometheus-text.ts";

/** Names of the same thing, the one to believe first: some versions of vLLM emit the old name beside the new one. */
const NAMES = {
  running: ["vllm:num_requests_running", "sglang:num_running_reqs"],
  waiting: ["vllm:num_requests_waiting", "sglang:num_queue_reqs"],
  swapped: ["vllm:num_requests_swapped"],
  kvCacheUsage: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"],
  prefixCacheQueries: [
    "vllm:prefix_cache_queries_total",
    "vllm:gpu_prefix_cache_queries_total",
    "sglang:prompt_tokens_total",
  ],
  prefixCacheHits: [
    "vllm:prefix_cache_hits_total",
    "vllm:gpu_prefix_cache_hits_total",
    "sglang:cached_tokens_total",
  ],
  prefixCacheHitRate: ["vllm:gpu_prefix_cache_hit_rate", "sglang:cache_hit_rate"],
  preemptions: ["vllm:num_preemptions_total", "sglang:num_retracted_requests_total"],
  waitingByReason: ["vllm:num_requests_waiting_by_reason"],
  cacheConfig: ["vllm:cache_config_info", "sglang:cache_config_info"],
  lora: ["vllm:lora_requests_info"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

const WANTED: ReadonlySet<string> = new Set(Object.values(NAMES).flat());

/** SGLang from 0.5.4 on writes an underscore where others have the colon of a namespace. */
const canonical = (name: string): string =>
  name.startsWith("sglang_") ? `sglang:${name.slice("sglang_".length)}` : name;

/** Parts of one engine core that all tell the same: their samples are copies, those of data-parallel ranks add up. */
const COPIES: ReadonlySet<string> = new Set(["tp_rank", "pp_rank", "moe_ep_rank", "pid"]);

const MAX_REASONS = 16;
const MAX_ADAPTERS = 1024;
const MAX_WORD = 256;

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** One value for each data-parallel rank; of copies the largest counts. */
const byRank = (samples: readonly Sample[]): readonly number[] => {
  const values = new Map<string, number>();
  for (const { labels, value } of samples) {
    const own = [...labels]
      .filter(([label]) => !COPIES.has(label))
      .map(([label, word]) => `${label}=${word}`);
    const key = own.sort().join("\n");
    values.set(key, Math.max(values.get(key) ?? 0, value));
  }
  return [...values.values()];
};

const reasons = (samples: readonly Sample[]): ReadonlyMap<string, number> | undefined => {
  const found = Map.groupBy(
    samples.filter(({ labels }) => labels.has("reason")),
    ({ labels }) => (labels.get("reason") ?? "").slice(0, MAX_WORD),
  );
  if (found.size === 0) return undefined;
  const first = [...found].slice(0, MAX_REASONS);
  return new Map(first.map(([reason, group]) => [reason, total(byRank(group))]));
};

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

const cacheConfig = (samples: readonly Sample[]): Pick<EngineStats, "blockSize" | "blockCount"> => {
  const blockSizes = samples.flatMap(
    ({ labels }) => wholeNumber(labels.get("block_size") ?? labels.get("page_size")) ?? [],
  );
  const counts = samples.flatMap(({ name, labels }) => {
    const value = wholeNumber(labels.get("num_gpu_blocks") ?? labels.get("num_pages"));
    return value === undefined ? [] : [{ name, labels, value }];
  });
  return {
    ...(blockSizes[0] === undefined ? {} : { blockSize: blockSizes[0] }),
    ...(counts.length === 0 ? {} : { blockCount: total(byRank(counts)) }),
  };
};

const adapters = (list: string | undefined): readonly string[] =>
  (list ?? "")
    .slice(0, MAX_ADAPTERS * MAX_WORD)
    .split(",", MAX_ADAPTERS)
    .map((name) => name.trim().slice(0, MAX_WORD))
    .filter((name) => name !== "");

/** The value of this metric is the time at which its labels became true; older ones are never taken back. */
const lora = (samples: readonly Sample[]): LoraStats | undefined => {
  const [first, ...others] = samples;
  if (!first) return undefined;
  const { labels } = others.reduce(
    (newest, sample) => (sample.value >= newest.value ? sample : newest),
    first,
  );
  const max = wholeNumber(labels.get("max_lora"));
  return {
    ...(max === undefined ? {} : { max }),
    running: adapters(labels.get("running_lora_adapters")),
    waiting: adapters(labels.get("waiting_lora_adapters")),
  };
};

/**
 * Reads what an engine tells in its `/metrics`: vLLM by its current and its older names, or SGLang. Counts are
 * summed over data-parallel ranks, shares averaged. `undefined` where the text has no metric of either.
 */
export const parseEngineStats = (text: string): EngineStats | undefined => {
  const samples = Map.groupBy(
    readSamples(text, (name) => WANTED.has(canonical(name))).filter(
      // Nothing here can be negative: -1 says that a feature is off.
      ({ value }) => value >= 0 && value <= Number.MAX_SAFE_INTEGER,
    ),
    ({ name }) => canonical(name),
  );
  if (samples.size === 0) return undefined;

  const of = (names: readonly string[]): readonly Sample[] =>
    names.map((name) => samples.get(name) ?? []).find((found) => found.length > 0) ?? [];
  const sum = <Field extends string>(field: Field, names: readonly string[]) => {
    const values = byRank(of(names));
    return (values.length === 0 ? {} : { [field]: total(values) }) as { readonly [F in Field]?: number };
  };
  const share = (names: readonly string[]): number | undefined => {
    const values = byRank(of(names));
    return values.length === 0 ? undefined : Math.min(1, total(values) / values.length);
  };

  const queries = sum("prefixCacheQueries", NAMES.prefixCacheQueries);
  const hits = sum("prefixCacheHits", NAMES.prefixCacheHits);
  const { prefixCacheQueries = 0 } = queries;
  const hitRate =
    prefixCacheQueries > 0 && hits.prefixCacheHits !== undefined
      ? Math.min(1, hits.prefixCacheHits / prefixCacheQueries)
      : share(NAMES.prefixCacheHitRate);
  const kvCacheUsage = share(NAMES.kvCacheUsage);
  const waitingByReason = reasons(of(NAMES.waitingByReason));
  const adaptersInUse = lora(of(NAMES.lora));
  return {
    ...sum("running", NAMES.running),
    ...sum("waiting", NAMES.waiting),
    ...(waitingByReason === undefined ? {} : { waitingByReason }),
    ...sum("swapped", NAMES.swapped),
    ...(kvCacheUsage === undefined ? {} : { kvCacheUsage }),
    ...queries,
    ...hits,
    ...(hitRate === undefined ? {} : { prefixCacheHitRate: hitRate }),
    ...sum("preemptions", NAMES.preemptions),
    ...cacheConfig(of(NAMES.cacheConfig)),
    ...(adaptersInUse === undefined ? {} : { lora: adaptersInUse }),
  };
};
