import { invalidAnswer } from "./invalid-answer.ts";

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** The fields from end to end. */
  readonly headers: Headers;
  /** Bytes of the body; "chunked" where it says so itself, `undefined` where it lasts as long as the connection. */
  readonly length: number | "chunked" | undefined;
  /** Whether the connection lasts longer than the answer. */
  readonly isPersistent: boolean;
  /** Seconds for which the engine keeps it without a request; `undefined` where it does not say. */
  readonly keptSeconds: number | undefined;
}

/** Fields of one connection (RFC 9110 section 7.6.1), which go no further. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "proxy-connection",
  "proxy-authenticate",
  "te",
  "trailer",
  "upgrade",
]);

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r?$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What no head may contain: other controls, and a CR that ends no line. */
const FORBIDDEN = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)/;
const OUTER_SPACE = /^[\t ]+|[\t\r ]+$/g;

const lengthOf = (value: string, before: number | undefined): number => {
  const length = /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  if (length === undefined || (before !== undefined && before !== length))
    throw invalidAnswer("its length is unclear");
  return length;
};

/** Reads a head up to the empty line that ends it; throws an error of `invalidAnswer`. */
export const readAnswerHead = (text: string): AnswerHead => {
  if (FORBIDDEN.test(text)) throw invalidAnswer("its head has forbidden characters");
  const lines = text.split("\n");
  const [, minor, code] = STATUS_LINE.exec(lines[0] ?? "") ?? [];
  if (code === undefined) throw invalidAnswer("it does not begin with a status");
  const headers = new Headers();
  let length: number | undefined;
  let isChunked = false;
  let keptSeconds: number | undefined;
  let connection = "";
  // The last two are the empty line and what follows it.
  for (let index = 1; index < lines.length - 2; index += 1) {
    const line = lines[index] ?? "";
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 0 || !FIELD_NAME.test(name)) throw invalidAnswer("its head has a line without a name");
    const value = line.slice(colon + 1).replaceAll(OUTER_SPACE, "");
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
      default:
        if (!CONNECTION_FIELDS.has(name)) headers.append(name, value);
    }
  }
  const options = connection === "" ? [] : connection.split(",").map((option) => option.trim());
  for (const option of options) if (FIELD_NAME.test(option)) headers.delete(option);
  const isKept = minor === "1" ? !options.includes("close") : options.includes("keep-alive");
  return {
    status: Number(code),
    headers,
    length: isChunked ? "chunked" : length,
    // Who gives both may mean either: nothing more is believed of that connection (RFC 9112 section 6.3).
    isPersistent: isKept && !(isChunked && length !== undefined),
    keptSeconds,
  };
};
