import type { Dial } from "../core/dial.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineSend } from "../core/engine-send.ts";
import { createHttp1Client } from "../http1/client.ts";
import { createFetchSend } from "./fetch-send.ts";

/** What sends requests to engines: over connections of its own where there is no TLS, by the runtime's client else. */
export const createEngineSend = ({
  dial,
  fetch,
}: {
  readonly dial: Dial;
  readonly fetch: EngineFetch;
}): EngineSend => {
  const overTcp = createHttp1Client({ dial });
  const byFetch = createFetchSend(fetch);
  return (url, request, onHead) => (url.startsWith("http://") ? overTcp : byFetch)(url, request, onHead);
};
