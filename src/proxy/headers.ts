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

const REQUEST_FIELDS: ReadonlySet<string> = new Set(["host", "expect", ...CONNECTION_FIELDS]);

const ANSWER_FIELDS = ["server", "date", ...CONNECTION_FIELDS] as const;

/** Deletes the fields that are named as those of the connection. */
const deleteListed = (kept: Headers, listed: string | null): void => {
  if (listed === null) return;
  for (const name of listed.split(",")) {
    const field = name.trim();
    // A malformed name cannot be the name of a field that is there.
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(field)) kept.delete(field);
  }
};

/** The client's end-to-end fields, as the engine gets them, without those that are not the client's to set. */
export const headersForEngine = (
  headers: Headers,
  requestId: string,
  isForeign: (field: string) => boolean = () => false,
): Headers => {
  const kept = new Headers(headers);
  for (const field of headers.keys()) if (REQUEST_FIELDS.has(field) || isForeign(field)) kept.delete(field);
  deleteListed(kept, headers.get("connection"));
  kept.set("x-request-id", requestId);
  if (!kept.has("user-agent")) kept.set("user-agent", "vllm-router");
  return kept;
};

/** The engine's end-to-end fields, as the client gets them; event streams are kept from being buffered. */
export const headersForClient = (headers: Headers, requestId: string): Headers => {
  const kept = new Headers(headers);
  // Of the few fields of an answer: a walk over their names costs more than to delete these in vain.
  for (const field of ANSWER_FIELDS) kept.delete(field);
  deleteListed(kept, headers.get("connection"));
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
