import { type EngineState, engineStates } from "../core/engine-state.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { RequestStats } from "../core/request-stats.ts";
import type { Registry } from "./registry.ts";
import type { Value } from "./series.ts";

/** An engine as it is at a scrape. */
export interface EngineReading {
  readonly url: string;
  readonly state: EngineState;
  readonly requests: RequestStats;
  readonly engine?: EngineStats | undefined;
}

/** Filled anew at each scrape. */
const ENGINE_GAUGES = [
  "vllm:num_requests_running",
  "vllm:num_requests_waiting",
  "vllm:gpu_prefix_cache_hit_rate",
  "vllm:gpu_prefix_cache_hits_total",
  "vllm:gpu_prefix_cache_queries_total",
  "vllm:current_qps",
  "vllm:avg_decoding_length",
  "vllm:num_prefill_requests",
  "vllm:num_decoding_requests",
  "vllm:healthy_pods_total",
  "vllm:avg_latency",
  "vllm:avg_itl",
  "vllm:num_requests_swapped",
] as const;

type EngineGauge = (typeof ENGINE_GAUGES)[number];

/** How the reference writes a mean of nothing. */
const NOTHING = -1;

const seconds = (ms: number | undefined): number => (ms === undefined ? NOTHING : ms / 1000);

/** The gauges of engines, which say how they are at a scrape. */
export const createEngineGauges = ({ gauge }: Pick<Registry, "gauge">) => {
  const gaugesByServer = new Map<string, ReadonlyMap<EngineGauge | EngineState, Value>>();

  const gaugesOf = (server: string) => {
    const known = gaugesByServer.get(server);
    if (known) return known;
    const of = (name: EngineGauge) => [name, gauge(name, { server })] as const;
    const ofState = (state: EngineState) =>
      [state, gauge("vllm_router_engine_state", { server, state })] as const;
    const gauges = new Map<EngineGauge | EngineState, Value>([
      ...ENGINE_GAUGES.map(of),
      ...engineStates.map(ofState),
    ]);
    gaugesByServer.set(server, gauges);
    return gauges;
  };

  const readEngine = ({ url, state, requests, engine }: EngineReading): void => {
    const { inPrefill, inDecode, qps, latencyMs, interTokenMs, decodeLength } = requests;
    const gauges = gaugesOf(url);
    const add = (name: EngineGauge, by: number) => gauges.get(name)?.add(by);
    const set = (name: EngineGauge, to: number | undefined) => gauges.get(name)?.set(to);
    // Two engines may stand behind one address under different labels; what is counted adds up.
    add("vllm:num_requests_running", inPrefill + inDecode);
    add("vllm:num_prefill_requests", inPrefill);
    add("vllm:num_decoding_requests", inDecode);
    add("vllm:current_qps", qps ?? 0);
    set("vllm:healthy_pods_total", state === "unhealthy" ? 0 : 1);
    for (const each of engineStates) gauges.get(each)?.add(each === state ? 1 : 0);
    set("vllm:avg_latency", seconds(latencyMs));
    set("vllm:avg_itl", seconds(interTokenMs));
    set("vllm:avg_decoding_length", decodeLength ?? NOTHING);
    set("vllm:num_requests_swapped", engine?.swapped ?? 0);
    set("vllm:num_requests_waiting", engine?.waiting);
    set("vllm:gpu_prefix_cache_hit_rate", engine?.prefixCacheHitRate);
    set("vllm:gpu_prefix_cache_hits_total", engine?.prefixCacheHits);
    set("vllm:gpu_prefix_cache_queries_total", engine?.prefixCacheQueries);
  };

  return {
    /** Sets all of them anew. */
    fill: (engines: readonly EngineReading[]): void => {
      for (const gauges of gaugesByServer.values()) for (const each of gauges.values()) each.set(undefined);
      for (const engine of engines) readEngine(engine);
    },
    keepServers: (servers: ReadonlySet<string>): void => {
      for (const server of gaugesByServer.keys()) if (!servers.has(server)) gaugesByServer.delete(server);
    },
  };
};
