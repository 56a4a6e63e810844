import { type Answer, isEventStream } from "../core/answer.ts";
import { type Fields, noFields } from "../core/fields.ts";

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

const FIELDS_OF_CONNECTION: ReadonlySet<string> = new Set(CONNECTION_FIELDS);
const REQUEST_FIELDS: ReadonlySet<string> = new Set(["host", "expect", ...CONNECTION_FIELDS]);

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
  const kept = noFields();
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

/** The part of an answer that goes further than its connection. */
export const endToEndOf = (headers: Headers): Pick<Answer, "headers" | "cookies"> => {
  const given: Readonly<Record<string, string | readonly string[]>> = headers.toJSON();
  const { connection } = given;
  const listed = typeof connection === "string" ? listedIn(connection) : NOTHING;
  const kept = noFields();
  let cookies: readonly string[] | undefined;
  for (const name in given) {
    const value = given[name];
    if (value === undefined || FIELDS_OF_CONNECTION.has(name) || listed.has(name)) continue;
    if (typeof value === "string") kept[name] = value;
    else cookies = value;
  }
  return { headers: kept, cookies };
};

/** The fields of an answer as the client gets them; event streams are kept from being buffered. */
export const headersForClient = (headers: Fields, requestId: string): Record<string, string> => {
  const kept = noFields();
  for (const name in headers) if (name !== "server" && name !== "date") kept[name] = headers[name] ?? "";
  kept["x-request-id"] = requestId;
  if (isEventStream(headers)) {
    kept["cache-control"] ??= "no-cache";
    kept["x-accel-buffering"] ??= "no";
  }
  return kept;
};

/** Fields and cookies as a `Response` takes them. */
export const asHeaders = (
  fields: Record<string, string>,
  cookies: Answer["cookies"],
): Record<string, string> | Headers => {
  if (!cookies) return fields;
  const headers = new Headers(fields);
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return headers;
};
