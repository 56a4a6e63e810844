import type { Span } from "./json-fields.ts";

const PARAMETER = /;\s*([^\s=;]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g;

/** A parameter of a field such as `form-data; name="a"; filename="b"`; what is quoted holds no parameters. */
const parameterOf = (field: string, name: string): string | undefined => {
  for (const [, key = "", quoted, token] of field.matchAll(PARAMETER))
    if (key.toLowerCase() === name) return quoted ?? token;
  return undefined;
};

/** The boundary of a multipart content type (RFC 2046 section 5.1.1), `undefined` where it is not one. */
export const boundaryOf = (contentType: string): string | undefined =>
  /^multipart\/form-data\s*;/i.test(contentType)
    ? parameterOf(contentType, "boundary") || undefined
    : undefined;

const LINE_BREAK = 0x0d0a;
const DASHES = 0x2d2d;

const HEADER_END = Buffer.from("\r\n\r\n");

const DISPOSITION = /^content-disposition:[ \t]*form-data[ \t]*(;[^\r\n]*)/im;

/** Longest header block of one part in bytes. */
const MAX_PART_HEADER = 8192;

/**
 * Where the contents of each named form field lie (RFC 7578); of repeated names the last counts, as in the form
 * parser of vLLM. Throws SyntaxError where the bytes are not a complete form with this boundary.
 */
export const formFieldSpans = (bytes: Uint8Array, boundary: string): ReadonlyMap<string, Span> => {
  const form = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const spans = new Map<string, Span>();

  const twoBytesAt = (at: number): number => (at + 2 <= form.length ? form.readUInt16BE(at) : 0);

  // A file may hold the characters of a delimiter, but then neither its line nor the form ends behind them.
  const endsDelimiter = (at: number): boolean => [LINE_BREAK, DASHES].includes(twoBytesAt(at));

  const findDelimiter = (from: number): number => {
    for (let at = form.indexOf(delimiter, from); at >= 0; at = form.indexOf(delimiter, at + 1))
      if (endsDelimiter(at + delimiter.length)) return at;
    throw new SyntaxError("unterminated form");
  };

  // The first delimiter may stand at the very beginning, without the line break that ends a preamble.
  const opening = delimiter.subarray(2);
  const startsAtOnce = form.subarray(0, opening.length).equals(opening) && endsDelimiter(opening.length);
  let at = startsAtOnce ? opening.length : findDelimiter(0) + delimiter.length;
  while (twoBytesAt(at) !== DASHES) {
    const next = findDelimiter(at);
    const headerEnd = form.indexOf(HEADER_END, at);
    if (headerEnd < 0 || headerEnd > next || headerEnd - at > MAX_PART_HEADER)
      throw new SyntaxError("part without a header");
    const start = headerEnd + HEADER_END.length;
    // The line break that ends the header does not count as the one of a delimiter.
    const end = next < start ? findDelimiter(start) : next;
    const disposition = DISPOSITION.exec(form.toString("latin1", at, headerEnd))?.[1] ?? "";
    const name = parameterOf(disposition, "name");
    if (name !== undefined) spans.set(name, { start, end });
    at = end + delimiter.length;
  }
  return spans;
};
