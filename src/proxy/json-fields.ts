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

/** Half-open range of bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Most fields that an object may have, as a bound on the time that their names take. */
export const MAX_FIELDS = 10_000;

const decoder = new TextDecoder();

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const afterByteOrderMark = (bytes: Uint8Array): number =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;

/** True for a text that begins as a list or a string does: it is no object, be it complete or not. */
export const opensListOrString = (bytes: Uint8Array): boolean => {
  let at = afterByteOrderMark(bytes);
  while (isSpace(bytes[at])) at += 1;
  return bytes[at] === OPEN_BRACKET || bytes[at] === QUOTE;
};

/** Where the quote stands that ends the string whose contents begin here; -1 where none does. */
export const stringEnd = (bytes: Uint8Array, start: number): number => {
  let at = start;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return -1;
    let before = quote;
    while (before > at && bytes[before - 1] === BACKSLASH) before -= 1;
    if ((quote - before) % 2 === 0) return quote;
    at = quote + 1;
  }
};

/**
 * Where the value of each top-level field of a JSON object lies, found without parsing the values: a string is
 * crossed at the speed of a byte search. Of duplicate fields the last counts, as in every JSON parser that
 * engines use. Throws SyntaxError where the outline is not that of an object, nests deeper than `maxDepth` or has
 * more than MAX_FIELDS fields, and RangeError where a list has more items than `maxItems` says for its field; what is
 * inside values is for the engine to check.
 */
export const fieldSpans = (
  bytes: Uint8Array,
  maxDepth: number,
  maxItems: Readonly<Record<string, number>> = {},
): ReadonlyMap<string, Span> => {
  const spans = new Map<string, Span>();
  let at = afterByteOrderMark(bytes);
  let fields = 0;

  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at byte ${at}`);
  };
  const skipSpace = (): void => {
    while (isSpace(bytes[at])) at += 1;
  };
  const expect = (byte: number): void => {
    if (bytes[at] !== byte) fail(`expected ${String.fromCharCode(byte)}`);
    at += 1;
  };
  const skipString = (): void => {
    expect(QUOTE);
    const quote = stringEnd(bytes, at);
    if (quote < 0) fail("unterminated string");
    at = quote + 1;
  };
  const skipNested = (most: number): void => {
    let depth = 1;
    let items = 1;
    do {
      const byte = bytes[at];
      if (byte === QUOTE) {
        skipString();
        continue;
      }
      if (byte === undefined) fail("unterminated value");
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
        if (depth > maxDepth) fail("too deeply nested");
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1;
      else if (byte === COMMA && depth === 2 && (items += 1) > most) throw new RangeError("too many items");
      at += 1;
    } while (depth > 1);
  };
  const skipValue = (most: number): void => {
    const byte = bytes[at];
    if (byte === QUOTE) skipString();
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) skipNested(most);
    else {
      const start = at;
      while (at < bytes.length && !isSpace(bytes[at]) && bytes[at] !== COMMA && bytes[at] !== CLOSE_BRACE)
        at += 1;
      if (at === start) fail("expected a value");
    }
  };

  skipSpace();
  expect(OPEN_BRACE);
  skipSpace();
  while (bytes[at] !== CLOSE_BRACE) {
    fields += 1;
    if (fields > MAX_FIELDS) fail("too many fields");
    const nameAt = at;
    skipString();
    const name: unknown = JSON.parse(decoder.decode(bytes.subarray(nameAt, at)));
    skipSpace();
    expect(COLON);
    skipSpace();
    const start = at;
    const most = Object.hasOwn(maxItems, String(name)) ? maxItems[String(name)] : undefined;
    skipValue(most ?? Number.POSITIVE_INFINITY);
    spans.set(String(name), { start, end: at });
    skipSpace();
    if (bytes[at] === CLOSE_BRACE) break;
    expect(COMMA);
    skipSpace();
    if (bytes[at] === CLOSE_BRACE) fail("expected a field");
  }
  at += 1;
  skipSpace();
  if (at < bytes.length) fail("surplus text");
  return spans;
};

/** The value in a span; values longer than `maxBytes` are not parsed and count as absent. */
export const parseSpan = (bytes: Uint8Array, { start, end }: Span, maxBytes: number): unknown =>
  end - start > maxBytes ? undefined : (JSON.parse(decoder.decode(bytes.subarray(start, end))) as unknown);

/** A copy of the bytes with the span replaced. */
export const replaceSpan = (
  bytes: Uint8Array,
  { start, end }: Span,
  replacement: Uint8Array,
): Uint8Array<ArrayBuffer> => {
  const result = new Uint8Array(bytes.length - (end - start) + replacement.length);
  result.set(bytes.subarray(0, start));
  result.set(replacement, start);
  result.set(bytes.subarray(end), start + replacement.length);
  return result;
};

/**
 * The object in the bytes with other fields: JSON text by name, `undefined` for a field that is to go. All other
 * values are the bytes that they were; of duplicate fields the last is kept.
 */
export const withFields = (
  bytes: Uint8Array,
  changes: Readonly<Record<string, string | undefined>>,
): Uint8Array<ArrayBuffer> => {
  const pieces: Uint8Array[] = [];
  const add = (name: string, value: Uint8Array): void => {
    pieces.push(Buffer.from(`${pieces.length === 0 ? "{" : ","}${JSON.stringify(name)}:`), value);
  };
  for (const [name, { start, end }] of fieldSpans(bytes, Number.POSITIVE_INFINITY))
    if (!Object.hasOwn(changes, name)) add(name, bytes.subarray(start, end));
  for (const [name, value] of Object.entries(changes)) if (value !== undefined) add(name, Buffer.from(value));
  return Buffer.concat([...pieces, Buffer.from(pieces.length === 0 ? "{}" : "}")]);
};
