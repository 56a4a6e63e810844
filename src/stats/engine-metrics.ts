import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import { describeStatus } from "../core/no-answer.ts";
import { parseEngineStats } from "./engine-stats.ts";

interface MetricsDeps {
  readonly fetch: EngineFetch;
  readonly apiKey?: string | undefined;
}

/** An engine with every histogram and a hundred ranks stays far below. */
const MAX_BYTES = 8 * 1024 * 1024;

const readText = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`/metrics is larger than ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
};

/**
 * What an engine's `GET /metrics` says, over a fresh connection: a pooled one would be stale each time, since
 * engines close idle ones within seconds. Rejects where the answer has no statistics; the message is for the log and
 * names no secret.
 */
export const fetchEngineStats = async (
  baseUrl: string,
  { fetch, apiKey }: MetricsDeps,
  signal: AbortSignal,
): Promise<EngineStats> => {
  const headers = new Headers({ accept: "text/plain", "user-agent": "vllm-router" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  const response = await fetch(`${baseUrl}/metrics`, { method: "GET", headers, signal, fresh: true });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(describeStatus("/metrics", response.status));
  }
  const stats = parseEngineStats(await readText(response));
  if (!stats) throw new Error("/metrics has no metric of vLLM or SGLang");
  return stats;
};
