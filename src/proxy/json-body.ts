import { isUtf8 } from "node:buffer";
import { RouterError } from "../core/errors.ts";
import type { Prompt } from "../routing/policy.ts";
import { OPEN_BRACE, OPEN_BRACKET } from "./json-bytes.ts";
import { parseBeginning } from "./json-cut.ts";
import {
  fieldSpans,
  MAX_FIELDS,
  opensListOrString,
  parseSpan,
  replaceSpan,
  type Span,
} from "./json-fields.ts";
import { createKeptStrings } from "./kept-strings.ts";
import { readPrompt } from "./prompt.ts";

/** What a body tells about itself. */
export interface Contents {
  readonly model: unknown;
  readonly field: (name: string) => unknown;
  /** What an engine computes for it on this path when it serves this model; absent where the body is no JSON. */
  readonly promptAt?: (path: string, model: string) => Prompt | undefined;
  /** The body, given again, with another model where its own stands. */
  readonly splice?: ((bytes: Uint8Array, model: string) => Uint8Array<ArrayBuffer>) | undefined;
}

/** Above this many bytes a body is scanned for its fields: to parse it takes several copies of it. */
const PARSE_LIMIT = 16 * 1024;
/** Deepest nesting of JSON that is accepted, as a bound on what a small request can cost. */
const MAX_DEPTH = 64;
/** Most messages of a conversation, as a bound on what engines and policies have to look at. */
const MAX_MESSAGES = 10_000;
/** So many bytes of each field of a scanned body count for its prompt; a longer body has no longer fields than MAX_FIELD. */
const MAX_PROMPT_FIELD = 1024 * 1024;
/** Longest field value that is read out of a body of more than 1 MiB, in bytes. */
export const MAX_FIELD = 64 * 1024;
/** Texts, numbers and the like of up to this many bytes are parsed at once: what is none is refused here. */
const SHORT_FIELD = 1024;

const INVALID_JSON = "Invalid request: request body must be valid JSON.";
const TOO_MANY_MESSAGES = `Invalid request: more than ${MAX_MESSAGES} messages.`;
const NOT_AN_OBJECT = "Invalid request: request body must be a JSON object.";

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/** The error of a request that cannot be understood. */
export const invalid = (message: string, cause?: unknown): RouterError =>
  new RouterError("invalid_request", message, { cause });

const isDeeperThan = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  if (Array.isArray(value)) {
    for (const child of value) if (isDeeperThan(child, depth - 1)) return true;
    return false;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  // What JSON is parsed to has no fields but its own.
  for (const name in fields) if (isDeeperThan(fields[name], depth - 1)) return true;
  return false;
};

const spansOf = (bytes: Uint8Array): ReadonlyMap<string, Span> => {
  try {
    return fieldSpans(bytes, MAX_DEPTH, { messages: MAX_MESSAGES });
  } catch (error) {
    if (error instanceof RangeError) throw invalid(TOO_MANY_MESSAGES, error);
    throw invalid(INVALID_JSON, error);
  }
};

const spliceJson = (bytes: Uint8Array, model: string): Uint8Array<ArrayBuffer> => {
  const span = spansOf(bytes).get("model");
  return replaceSpan(bytes, span ?? { start: 0, end: 0 }, Buffer.from(JSON.stringify(model)));
};

const readParsed = (bytes: Uint8Array): Contents => {
  let value: unknown;
  try {
    value = JSON.parse(strictDecoder.decode(bytes));
  } catch (error) {
    throw invalid(INVALID_JSON, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(NOT_AN_OBJECT);
  }
  if (Object.keys(value).length > MAX_FIELDS || isDeeperThan(value, MAX_DEPTH)) throw invalid(INVALID_JSON);
  const fields = value as Readonly<Record<string, unknown>>;
  const field = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  const messages = field("messages");
  if (Array.isArray(messages) && messages.length > MAX_MESSAGES) throw invalid(TOO_MANY_MESSAGES);
  return {
    model: field("model"),
    field,
    promptAt: (path, model) => readPrompt(field, model, path),
    splice: spliceJson,
  };
};

/** The values of fields that are short and neither lists nor objects, which are for the engine to check. */
const shortValues = (bytes: Uint8Array, spans: ReadonlyMap<string, Span>): ReadonlyMap<string, unknown> => {
  const values = new Map<string, unknown>();
  try {
    for (const [name, span] of spans) {
      const first = bytes[span.start];
      if (span.end - span.start > SHORT_FIELD || first === OPEN_BRACKET || first === OPEN_BRACE) continue;
      values.set(name, parseSpan(bytes, span, SHORT_FIELD));
    }
  } catch (error) {
    throw invalid(INVALID_JSON, error);
  }
  return values;
};

const readScanned = (bytes: Uint8Array): Contents => {
  if (opensListOrString(bytes)) throw invalid(NOT_AN_OBJECT);
  if (!isUtf8(bytes)) throw invalid(INVALID_JSON);
  const spans = spansOf(bytes);
  const short = shortValues(bytes, spans);
  const maxBytes = bytes.length > MAX_PROMPT_FIELD ? MAX_FIELD : Number.POSITIVE_INFINITY;
  const field = (name: string): unknown => {
    const span = spans.get(name);
    if (!span || span.end - span.start > maxBytes) return undefined;
    return short.has(name) ? short.get(name) : parseBeginning(bytes, span, maxBytes);
  };
  return {
    model: field("model"),
    field,
    promptAt: (path, model) => {
      const strings = createKeptStrings();
      const read = (name: string): unknown => {
        const span = spans.get(name);
        return span && parseBeginning(bytes, span, MAX_PROMPT_FIELD, strings.textOf);
      };
      return readPrompt(read, model, path, strings.bytesOf);
    },
    splice: spliceJson,
  };
};

/** Reads a body that is to be a JSON object. Throws `invalid_request` with the reference's messages. */
export const readJson = (bytes: Uint8Array): Contents =>
  bytes.length > PARSE_LIMIT ? readScanned(bytes) : readParsed(bytes);
