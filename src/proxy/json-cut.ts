import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "./json-bytes.ts";
import type { Span } from "./json-fields.ts";
import type { KeptStrings } from "./kept-strings.ts";

/** What is open where a text is cut. */
interface Cut {
  readonly end: number;
  /** What closes it. */
  readonly closers: string;
}

/** Before an escape or a character that does not fit: those take up to 6 and 4 bytes. */
const charBoundary = (bytes: Uint8Array, from: number, to: number): number => {
  for (let at = Math.max(from, to - 6); at < to; at += 1) {
    if (bytes[at] !== BACKSLASH) continue;
    let run = at;
    while (run > from && bytes[run - 1] === BACKSLASH) run -= 1;
    if ((at - run) % 2 === 1) continue;
    const length = bytes[at + 1] === 0x75 ? 6 : 2;
    if (at + length > to) return at;
  }
  let start = to;
  while (start > from && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return start;
};

/** The last place up to `to` at which a JSON text can be cut and closed again, as far as its outline says. */
const lastCut = (bytes: Uint8Array, from: number, to: number): Cut => {
  const stack: string[] = [];
  let safe: Cut = { end: from, closers: "" };
  let isKey = false;
  let at = from;
  const closers = (): string => stack.toReversed().join("");

  while (at < to) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const start = at + 1;
      let end = start;
      while (end < to && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
      if (end >= to) return isKey ? safe : { end: charBoundary(bytes, start, to), closers: `"${closers()}` };
      at = end;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      isKey = byte === OPEN_BRACE;
      stack.push(isKey ? "}" : "]");
      safe = { end: at + 1, closers: closers() };
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      stack.pop();
      safe = { end: at + 1, closers: closers() };
      isKey = false;
    } else if (byte === COMMA) {
      safe = { end: at, closers: closers() };
      isKey = stack.at(-1) === "}";
    } else if (byte === COLON) isKey = false;
    at += 1;
  }
  return safe;
};

const decode: KeptStrings["textOf"] = (bytes, start, end) =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();

/**
 * The value in a span; of one that is longer than `maxBytes` its beginning, with what is open there closed, read by
 * `textOf` where that is given. `undefined` where that is no JSON: what is inside values is for the engine to check.
 */
export const parseBeginning = (
  bytes: Uint8Array,
  { start, end }: Span,
  maxBytes: number,
  textOf: KeptStrings["textOf"] = decode,
): unknown => {
  const cut = end - start > maxBytes ? lastCut(bytes, start, start + maxBytes) : { end, closers: "" };
  try {
    return JSON.parse(textOf(bytes, start, cut.end) + cut.closers);
  } catch {
    return undefined;
  }
};
