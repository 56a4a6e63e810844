import type { Span } from "./json-fields.ts";

/** The boundary of a multipart content type (RFC 2046 section 5.1.1), `undefined` where it is not one. */
export const boundaryOf = (contentType: string): string | undefined => {
  if (!/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
};

const HEADER_END = Buffer.from("\r\n\r\n");

const FIELD_NAME = /^content-disposition:\s*form-data\b[^\r\n]*?;\s*name=(?:"([^"\r\n]*)"|([^\s;"]+))/im;

/** Longest header block of one part in bytes. */
const MAX_PART_HEADER = 8192;

/**
 * Where the contents of each named form field lie (RFC 7578); of repeated names the first counts. Throws
 * SyntaxError where the bytes are not a complete form with this boundary.
 */
export const formFieldSpans = (bytes: Uint8Array, boundary: string): ReadonlyMap<string, Span> => {
  const form = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const opening = delimiter.subarray(2);
  const spans = new Map<string, Span>();

  // The first delimiter may stand at the very beginning, without the line break that ends a preamble.
  const first = form.indexOf(delimiter);
  let at = form.subarray(0, opening.length).equals(opening)
    ? opening.length
    : first < 0
      ? -1
      : first + delimiter.length;
  if (at < 0) throw new SyntaxError("no boundary");
  while (form[at] !== 0x2d || form[at + 1] !== 0x2d) {
    const headerEnd = form.indexOf(HEADER_END, at);
    const end = form.indexOf(delimiter, at);
    if (headerEnd < 0 || end < 0 || headerEnd > end || headerEnd - at > MAX_PART_HEADER) {
      throw new SyntaxError("unterminated part");
    }
    const match = FIELD_NAME.exec(form.toString("latin1", at, headerEnd));
    const name = match?.[1] ?? match?.[2];
    if (name !== undefined && !spans.has(name))
      spans.set(name, { start: headerEnd + HEADER_END.length, end });
    at = end + delimiter.length;
  }
  return spans;
};
