/** Fields that belong to one connection (RFC 9110 section 7.6.1) or to the framing that the router does itself. */
const CONNECTION_FIELDS = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
] as const;

const REQUEST_FIELDS = ["host", "expect", ...CONNECTION_FIELDS] as const;

const ANSWER_FIELDS = ["server", "date", ...CONNECTION_FIELDS] as const;

const withoutFields = (headers: Headers, fields: readonly string[]): Headers => {
  const kept = new Headers(headers);
  const listed = headers.get("connection");
  for (const field of fields) kept.delete(field);
  if (listed === null) return kept;
  for (const name of listed.split(",")) {
    const field = name.trim();
    // A malformed name cannot be the name of a field that is there.
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(field)) kept.delete(field);
  }
  return kept;
};

/** The client's end-to-end fields, as the engine gets them. */
export const headersForEngine = (headers: Headers, requestId: string): Headers => {
  const kept = withoutFields(headers, REQUEST_FIELDS);
  kept.set("x-request-id", requestId);
  if (!kept.has("user-agent")) kept.set("user-agent", "vllm-router");
  return kept;
};

/** The engine's end-to-end fields, as the client gets them; event streams are kept from being buffered. */
export const headersForClient = (headers: Headers, requestId: string): Headers => {
  const kept = withoutFields(headers, ANSWER_FIELDS);
  kept.set("x-request-id", requestId);
  if (isEventStream(headers)) {
    if (!kept.has("cache-control")) kept.set("cache-control", "no-cache");
    if (!kept.has("x-accel-buffering")) kept.set("x-accel-buffering", "no");
  }
  return kept;
};

/** True for `text/event-stream`, with or without parameters. */
export const isEventStream = (headers: Headers): boolean =>
  /^text\/event-stream\s*(?:;|$)/i.test(headers.get("content-type") ?? "");
