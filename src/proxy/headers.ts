import { isEventStream } from "../core/answer.ts";

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

/** Deletes the fields that are named as those of the connection. */
const deleteListed = (kept: Headers, listed: string | null): void => {
  if (listed === null) return;
  for (const name of listed.split(",")) {
    const field = name.trim();
    // A malformed name cannot be the name of a field that is there.
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(field)) kept.delete(field);
  }
};

/** What a connection names as its own. */
const listedIn = (connection: string): ReadonlySet<string> =>
  new Set(connection.split(",").map((name) => name.trim().toLowerCase()));

const NOTHING: ReadonlySet<string> = new Set();

/** The client's end-to-end fields, as the engine gets them, without those that are not the client's to set. */
export const headersForEngine = (
  headers: Headers,
  requestId: string,
  isForeign: (field: string) => boolean = () => false,
): Record<string, string> => {
  const given: Readonly<Record<string, string | readonly string[]>> = headers.toJSON();
  const { connection } = given;
  const listed = typeof connection === "string" ? listedIn(connection) : NOTHING;
  const kept: Record<string, string> = {};
  for (const name in given) {
    const value = given[name];
    // Only cookies that a server sets are apart, and no request has them.
    if (typeof value !== "string" || REQUEST_FIELDS.has(name) || listed.has(name) || isForeign(name))
      continue;
    kept[name] = value;
  }
  kept["x-request-id"] = requestId;
  kept["user-agent"] ??= "vllm-router";
  return kept;
};

/** The fields of an answer that go further than its connection. */
export const withoutConnectionFields = (headers: Headers): Headers => {
  const kept = new Headers(headers);
  // Of the few fields of an answer: a walk over their names costs more than to delete these in vain.
  for (const field of CONNECTION_FIELDS) kept.delete(field);
  deleteListed(kept, headers.get("connection"));
  return kept;
};

/** Makes the fields of an answer those that the client gets; event streams are kept from being buffered. */
export const headersForClient = (headers: Headers, requestId: string): Headers => {
  headers.delete("server");
  headers.delete("date");
  headers.set("x-request-id", requestId);
  if (isEventStream(headers)) {
    if (!headers.has("cache-control")) headers.set("cache-control", "no-cache");
    if (!headers.has("x-accel-buffering")) headers.set("x-accel-buffering", "no");
  }
  return headers;
};
