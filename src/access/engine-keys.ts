import type { EngineFetch } from "../core/engine-fetch.ts";

/**
 * Sends each engine that has a key of its own that key, whatever else was to be sent. Keys are by base URL; an engine
 * never sees that of another.
 */
export const withEngineKeys = (fetch: EngineFetch, keys: ReadonlyMap<string, string>): EngineFetch => {
  if (keys.size === 0) return fetch;
  // Of two bases the one below the other is meant.
  const byLength = [...keys].sort(([left], [right]) => right.length - left.length);
  return async (url, request) => {
    const [, key] = byLength.find(([base]) => url === base || url.startsWith(`${base}/`)) ?? [];
    if (key === undefined) return fetch(url, request);
    const headers = new Headers(request.headers);
    headers.set("authorization", `Bearer ${key}`);
    return fetch(url, { ...request, headers });
  };
};
