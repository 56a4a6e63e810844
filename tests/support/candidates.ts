import type { RequestStats } from "../../src/core/request-stats.ts";
import { readPrompt } from "../../src/proxy/prompt.ts";
import type { Candidate, Candidates, RoutingRequest } from "../../src/routing/policy.ts";

/** Candidates at these URLs, all idle unless `stats` says otherwise. */
export const candidatesAt = (
  urls: readonly string[],
  stats: Record<string, Partial<RequestStats>> = {},
): Candidates => {
  const [first, ...rest] = urls.map((url): Candidate => ({
    endpoint: { id: `id of ${url}`, url, models: ["m"], addedAt: 0 },
    requests: { inPrefill: 0, inDecode: 0, ...stats[url] },
  }));
  if (!first) throw new Error("candidatesAt needs at least one url");
  return [first, ...rest];
};

/** A request for model `m`. */
export const requestWith = (
  parts: { headers?: Record<string, string>; body?: Record<string, unknown>; at?: number } = {},
): RoutingRequest => {
  const field = (name: string): unknown => parts.body?.[name];
  return {
    model: "m",
    headers: new Headers(parts.headers),
    at: parts.at ?? 0,
    field,
    prompt: () => readPrompt(field, "m", "/v1/completions"),
  };
};
