import type { Prompt, RoutingRequest } from "../routing/policy.ts";
import { type ReadBody, readBody } from "./body.ts";
import { type Contents, invalid, MAX_FIELD, readJson } from "./json-body.ts";
import { replaceSpan, type Span } from "./json-fields.ts";
import { boundaryOf, formFieldSpans } from "./multipart.ts";

/** A request as the router understood it; its bytes are those of the client. */
export interface Call extends Pick<RoutingRequest, "headers" | "field"> {
  readonly id: string;
  readonly method: string;
  /** The canonical path of its route. */
  readonly path: string;
  /** Absent where a request without a body names none; the fleet's only model is meant then. */
  readonly model?: string | undefined;
  /** Id of the engine that must answer (`?id=`). */
  readonly engineId?: string | undefined;
  /** What an engine computes for it when it serves this model; gathered anew each time. */
  readonly prompt: (model: string) => Prompt | undefined;
  /** What an engine is sent: the client's bytes, with `model` spliced in where they name another. */
  readonly messageFor: (model: string) => Message;
  /** Milliseconds that the client gives it; absent where it gives as many as it takes. */
  readonly timeoutMs: number | undefined;
  /** True when the request is pure compute, so that sending it twice is harmless. */
  readonly isReplaySafe: boolean;
}

/** The part of a request that depends on the model. */
interface Message {
  /** Path and query. */
  readonly path: string;
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
}

const readForm = (bytes: Uint8Array, boundary: string): Contents => {
  let spans: ReadonlyMap<string, Span>;
  try {
    spans = formFieldSpans(bytes, boundary);
  } catch (error) {
    throw invalid("Invalid multipart/form-data request", error);
  }
  const field = (name: string): string | undefined => {
    const span = spans.get(name);
    return span && span.end - span.start <= MAX_FIELD
      ? Buffer.from(bytes.subarray(span.start, span.end)).toString("utf8")
      : undefined;
  };
  const model = field("model");
  if (!model) throw invalid("Invalid request: missing 'model' in form data.");
  const splice = (form: Uint8Array, replacement: string) =>
    replaceSpan(form, spans.get("model") ?? { start: 0, end: 0 }, Buffer.from(replacement));
  return { model, field, splice };
};

const readQuery = (query: URLSearchParams): Contents => {
  const field = (name: string): string | undefined => query.get(name) ?? undefined;
  return { model: field("model"), field };
};

const readContents = (bytes: Uint8Array, contentType: string | null): Contents => {
  const boundary = contentType === null ? undefined : boundaryOf(contentType);
  if (boundary !== undefined) return readForm(bytes, boundary);
  if (contentType?.toLowerCase().startsWith("multipart/"))
    throw invalid("Invalid multipart/form-data request");
  return readJson(bytes);
};

const modelOf = (value: unknown): string => {
  if (value === undefined || value === null)
    throw invalid("Invalid request: missing 'model' in request body.");
  if (typeof value !== "string") throw invalid("Invalid request: 'model' must be a string.");
  return value;
};

const timeoutOf = (headers: Headers): number | undefined => {
  const text = headers.get("x-request-timeout-ms");
  if (text === null) return undefined;
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text);
  throw invalid("Invalid request: x-request-timeout-ms must be a whole number of milliseconds above 0.");
};

// Without a question mark of ours the parser would take one of the client's for it.
const parseQuery = (query: string): URLSearchParams => new URLSearchParams(`?${query}`);

// A pair by its name, whose letters may be percent-encoded. To parse each pair would cost an object for it.
const ID = /^(?:i|%69)(?:d|%64)(?:=|$)/;
const MODEL = /^(?:m|%6[dD])(?:o|%6[fF])(?:d|%64)(?:e|%65)(?:l|%6[cC])(?:=|$)/;

/**
 * The query without the router's own `id`, with its question mark, and with another model where one is given;
 * the rest stays as the client wrote it.
 */
const queryForEngine = (query: string, model?: string): string => {
  const kept = query
    .split("&")
    .filter((pair) => pair !== "" && !ID.test(pair))
    .map((pair) => (model !== undefined && MODEL.test(pair) ? `model=${encodeURIComponent(model)}` : pair));
  return kept.length > 0 ? `?${kept.join("&")}` : "";
};

/** What of a request is known before its body is read. */
export interface Arrival {
  readonly id: string;
  readonly request: Request;
  /** The canonical path of the matched route. */
  readonly path: string;
  readonly isReplaySafe: ReplaySafety;
}

/** How a body is read. */
interface Reading {
  readonly maxBodyBytes: number;
  /** Without a limit of time where it is not given. */
  readonly readBody?: ReadBody;
}

/** Says from the fields of a body whether sending the request twice is harmless. */
export type ReplaySafety = (field: Contents["field"]) => boolean;

const EMPTY_OBJECT = Buffer.from("{}");
const NO_QUERY = new URLSearchParams();

/** Understands a request by its body, which is absent where it has none. Throws `invalid_request` with the reference's messages. */
export const understand = (arrival: Arrival, body: Uint8Array<ArrayBuffer> | undefined): Call => {
  const { id, request, path, isReplaySafe } = arrival;
  const { method, headers, url } = request;
  const mark = url.indexOf("?");
  const query = mark < 0 ? "" : url.slice(mark + 1);
  const search = query === "" ? NO_QUERY : parseQuery(query);
  const {
    model: named,
    field,
    promptAt,
    splice,
  }: Contents = body
    ? readContents(body.length === 0 ? EMPTY_OBJECT : body, headers.get("content-type"))
    : readQuery(search);
  const model = body === undefined && named === undefined ? undefined : modelOf(named);
  const message: Message = { path: query === "" ? path : path + queryForEngine(query), body };
  return {
    id,
    method,
    path,
    headers,
    model,
    engineId: search.get("id") ?? undefined,
    field,
    prompt: (served) => promptAt?.(path, served),
    messageFor: (served) => {
      if (model === undefined || served === model) return message;
      return body && splice
        ? { ...message, body: splice(body, served) }
        : { path: path + queryForEngine(query, served) };
    },
    timeoutMs: timeoutOf(headers),
    isReplaySafe: isReplaySafe(field),
  };
};

/** Reads the body once and whole, and understands the request; throws `body_too_large` as well. */
export const readCall = async (arrival: Arrival & Reading): Promise<Call> => {
  const { request, maxBodyBytes, readBody: read = readBody } = arrival;
  return understand(arrival, request.method === "GET" ? undefined : await read(request, maxBodyBytes));
};
