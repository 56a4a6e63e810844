import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineSend } from "../core/engine-send.ts";

type Keys = ReadonlyMap<string, string>;

/** Finds the authorization for what is sent to a URL; `undefined` where its engine has no key of its own. */
const finderOf = (keys: Keys): ((url: string) => string | undefined) => {
  // Of two bases the one below the other is meant.
  const byLength = [...keys].sort(([left], [right]) => right.length - left.length);
  return (url) => {
    const [, key] = byLength.find(([base]) => url === base || url.startsWith(`${base}/`)) ?? [];
    return key === undefined ? undefined : `Bearer ${key}`;
  };
};

/**
 * Asks each engine that has a key of its own with that key, whatever else was to be sent. Keys are by base URL; an
 * engine never sees that of another.
 */
export const withEngineKeys = (fetch: EngineFetch, keys: Keys): EngineFetch => {
  if (keys.size === 0) return fetch;
  const authorizationFor = finderOf(keys);
  return async (url, request) => {
    const authorization = authorizationFor(url);
    if (authorization === undefined) return fetch(url, request);
    const headers = new Headers(request.headers);
    headers.set("authorization", authorization);
    return fetch(url, { ...request, headers });
  };
};

/** The same for what is forwarded. */
export const sendWithEngineKeys = (send: EngineSend, keys: Keys): EngineSend => {
  if (keys.size === 0) return send;
  const authorizationFor = finderOf(keys);
  return (url, request, onHead) => {
    const authorization = authorizationFor(url);
    if (authorization === undefined) return send(url, request, onHead);
    return send(url, { ...request, headers: { ...request.headers, authorization } }, onHead);
  };
};
