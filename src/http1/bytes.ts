import type { Bytes } from "../core/answer.ts";

/** Ends a line. */
export const LF = 10;
/** Stands before it. */
export const CR = 13;

/** The one after the other; without a copy where there is no first one. */
export const concat = (left: Bytes | undefined, right: Bytes): Bytes =>
  left ? Buffer.concat([left, right]) : right;

/** As text with a character for each byte. */
export const text = (bytes: Bytes, from: number, to: number): string =>
  Buffer.prototype.toString.call(bytes, "latin1", from, to);

/** A part up to so many bytes costs less as a copy than as a view, for which the runtime makes an ArrayBuffer first. */
const COPIED_BYTES = 1000;

/** The bytes from `from` to `to`. */
export const partOf = (bytes: Bytes, from: number, to: number): Bytes =>
  to - from <= COPIED_BYTES ? bytes.slice(from, to) : bytes.subarray(from, to);

/** The place after the empty line that ends a head or trailers which begin at `from`; -1 where it has not come. */
export const endOfLines = (bytes: Bytes, from: number): number => {
  for (let line = from; ;) {
    const end = bytes.indexOf(LF, line);
    if (end < 0) return -1;
    if (end === line || (end === line + 1 && bytes[line] === CR)) return end + 1;
    line = end + 1;
  }
};
