import { invalidAnswer } from "./invalid-answer.ts";

/** The digit that a byte is, below 0 where it is none. */
const HEX = Int8Array.from({ length: 256 }, (_, byte) =>
  "0123456789abcdef".indexOf(String.fromCodePoint(byte).toLowerCase()),
);

const SIZE = /^([0-9a-f]{1,12})[ \t]*(?:;|\r?$)/i;
const BEGINNING = /^[0-9a-f]*(?:[ \t;][^]*|\r)?$/i;

const noSize = (): Error => invalidAnswer("a chunk has no size");

/** The value of a hexadecimal digit; below 0 for any other byte, and for none. */
export const hexDigit = (byte: number | undefined): number => HEX[byte ?? 0] ?? -1;

/** The bytes of a chunk by the line before it, whose line feed is left out (RFC 9112 section 7.1); throws for others. */
export const chunkSize = (line: string): number => {
  const size = SIZE.exec(line)?.[1];
  if (size === undefined) throw noSize();
  return Number.parseInt(size, 16);
};

/** Throws for what cannot become such a line. */
export const checkBeginning = (line: string): void => {
  if (!BEGINNING.test(line)) throw noSize();
};
