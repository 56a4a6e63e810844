import { type Fields, noFields } from "../core/fields.ts";
import { CR } from "./bytes.ts";
import { invalidAnswer } from "./invalid-answer.ts";

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** The fields from end to end. */
  readonly headers: Fields;
  /** As in `Answer`. */
  readonly cookies: readonly string[] | undefined;
  /** Bytes of the body; "chunked" where it says so itself, `undefined` where it lasts as long as the connection. */
  readonly length: number | "chunked" | undefined;
  /** Whether the connection lasts longer than the answer. */
  readonly isPersistent: boolean;
  /** Seconds for which the engine keeps it without a request; `undefined` where it does not say. */
  readonly keptSeconds: number | undefined;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r?$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What no head may contain: other controls, and a CR that ends no line. */
const FORBIDDEN = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)/;
const TAB = 9;
const SPACE = 32;

const lengthOf = (value: string, before: number | undefined): number => {
  const length = /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  if (length === undefined || (before !== undefined && before !== length))
    throw invalidAnswer("its length is unclear");
  return length;
};

const isSpace = (code: number): boolean => code === SPACE || code === TAB;

/** What stands from `from` to `to`, without the white space around it. */
const trimmed = (text: string, from: number, to: number): string => {
  let first = from;
  let last = to;
  while (first < last && isSpace(text.charCodeAt(first))) first += 1;
  while (last > first && isSpace(text.charCodeAt(last - 1))) last -= 1;
  return text.slice(first, last);
};

const COMMON_NAMES = [
  "access-control-allow-origin",
  "cache-control",
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "server",
  "transfer-encoding",
  "vary",
  "x-accel-buffering",
  "x-request-id",
] as const;

const capitalized = (name: string): string =>
  name.replaceAll(/(?<![a-z])[a-z]/g, (letter) => letter.toUpperCase());

/** Names as engines write them: to look one up costs less than to check it. */
const knownNames: ReadonlyMap<string, string> = new Map(
  COMMON_NAMES.flatMap((name) => [
    [name, name],
    [capitalized(name), name],
  ]),
);

/** A field's name in lower case; throws where it is none. */
const nameOf = (written: string): string => {
  const known = knownNames.get(written);
  if (known !== undefined) return known;
  if (!FIELD_NAME.test(written)) throw invalidAnswer("its head has a line without a name");
  return written.toLowerCase();
};

/** Reads a head up to the empty line that ends it; throws an error of `invalidAnswer`. */
export const readAnswerHead = (text: string): AnswerHead => {
  if (FORBIDDEN.test(text)) throw invalidAnswer("its head has forbidden characters");
  let at = text.indexOf("\n") + 1;
  const [, minor, code] = STATUS_LINE.exec(text.slice(0, at - 1)) ?? [];
  if (code === undefined) throw invalidAnswer("it does not begin with a status");
  const headers = noFields();
  let cookies: string[] | undefined;
  let length: number | undefined;
  let isChunked = false;
  let keptSeconds: number | undefined;
  let connection = "";
  for (;;) {
    const after = text.indexOf("\n", at) + 1;
    const end = text.charCodeAt(after - 2) === CR ? after - 2 : after - 1;
    if (end <= at) break;
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon >= end) throw invalidAnswer("its head has a line without a name");
    const name = nameOf(text.slice(at, colon));
    const value = trimmed(text, colon + 1, end);
    at = after;
    switch (name) {
      case "content-length":
        length = lengthOf(value, length);
        break;
      case "transfer-encoding":
        if (value.toLowerCase() !== "chunked") throw invalidAnswer("its transfer coding is unknown");
        isChunked = true;
        break;
      case "connection":
        connection += `,${value.toLowerCase()}`;
        break;
      case "keep-alive":
        keptSeconds = Number(/(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1] ?? Number.NaN) || undefined;
        break;
      case "set-cookie":
        (cookies ??= []).push(value);
        break;
      // Of one connection as well (RFC 9110 section 7.6.1).
      case "proxy-connection":
      case "proxy-authenticate":
      case "te":
      case "trailer":
      case "upgrade":
        break;
      default: {
        const before = headers[name];
        headers[name] = before === undefined ? value : `${before}, ${value}`;
      }
    }
  }
  const options = connection === "" ? [] : connection.split(",").map((option) => option.trim());
  for (const option of options) delete headers[option];
  if (options.includes("set-cookie")) cookies = undefined;
  const isKept = minor === "1" ? !options.includes("close") : options.includes("keep-alive");
  return {
    status: Number(code),
    headers,
    cookies,
    length: isChunked ? "chunked" : length,
    // Who gives both may mean either: nothing more is believed of that connection (RFC 9112 section 6.3).
    isPersistent: isKept && !(isChunked && length !== undefined),
    keptSeconds,
  };
};
