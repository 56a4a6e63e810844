const maxTokenBytes = 6;

// Tokens of one byte come first, then those of two, and so on, so that an id tells its length.
const firstIdOfLength: readonly number[] = Array.from({ length: maxTokenBytes + 2 }, (_, length) => {
  let first = 0;
  for (let shorter = 1; shorter < length; shorter += 1) first += 256 ** shorter;
  return first;
});

/** The token that ends an answer; it has no text. */
export const endOfText = firstIdOfLength.at(-1) ?? 0;

type Kind = "letter" | "digit" | "space" | "break" | "mark";

const longest: Readonly<Record<Kind, number>> = {
  letter: maxTokenBytes,
  digit: 3,
  space: 4,
  break: 4,
  mark: 4,
};

const kindOf = (byte: number): Kind => {
  if (byte === 0x20) return "space";
  if (byte >= 0x30 && byte <= 0x39) return "digit";
  if (byte <= 0x20) return "break";
  const folded = byte | 0x20;
  return byte >= 0x80 || (folded >= 0x61 && folded <= 0x7a) ? "letter" : "mark";
};

const kinds: readonly Kind[] = Array.from({ length: 256 }, (_, byte) => kindOf(byte));

/** The end of the token that starts at `start`. */
const tokenEnd = (bytes: Uint8Array, start: number): number => {
  const first = bytes[start] ?? 0;
  let kind = kinds[first];
  let end = start + 1;
  // A single space belongs to the word behind it, as in byte-pair vocabularies.
  if (kind === "space" && kinds[bytes[end] ?? 0] === "letter") kind = "letter";
  const limit = Math.min(bytes.length, start + (kind ? longest[kind] : 1));
  for (; end < limit; end += 1) {
    const byte = bytes[end] ?? 0;
    if (kinds[byte] !== kind || (kind === "mark" && byte !== first)) break;
    // The last space of a run is left to the word behind it.
    if (kind === "space" && end + 1 < bytes.length && kinds[bytes[end + 1] ?? 0] === "letter") break;
  }
  return end;
};

/**
 * Cuts text into tokens of about four characters. It is not a real vocabulary: an id is the token's UTF-8 bytes
 * as a number, so that any engine can turn any engine's ids back into text. Tokens never reach over a change of
 * character class, so a text that continues another one after such a change also continues its tokens.
 */
export const tokenize = (text: string): number[] => {
  const bytes = Buffer.from(text);
  const tokens: number[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = tokenEnd(bytes, start);
    let value = 0;
    for (let at = start; at < end; at += 1) value = value * 256 + (bytes[at] ?? 0);
    tokens.push((firstIdOfLength[end - start] ?? 0) + value);
    start = end;
  }
  return tokens;
};

/** The bytes of one token; `undefined` for a number that is no token. */
const tokenBytes = (token: number): Buffer | undefined => {
  if (!Number.isSafeInteger(token) || token < 0 || token > endOfText) return undefined;
  if (token === endOfText) return Buffer.alloc(0);
  let length = maxTokenBytes;
  while (length > 1 && token < (firstIdOfLength[length] ?? 0)) length -= 1;
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(token - (firstIdOfLength[length] ?? 0), 0, length);
  return bytes;
};

/** The text of `tokens`; `undefined` when one of them is no token. */
export const detokenize = (tokens: readonly number[]): string | undefined => {
  const parts: Buffer[] = [];
  for (const token of tokens) {
    const bytes = tokenBytes(token);
    if (!bytes) return undefined;
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString();
};

/** Spreads every bit of the input over all 32 of the result (the finish of MurmurHash3). */
const scatter = (input: number): number => {
  let bits = input ^ (input >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
};

/** The hashes of a sequence of tokens that grows. */
export interface TokenHasher {
  readonly push: (tokens: readonly number[]) => void;
  /** One hash for each full block, covering all tokens up to its end. */
  readonly blocks: readonly number[];
  /** The hash of everything so far. */
  readonly value: () => number;
}

/**
 * A hasher of an empty sequence; `salt` keeps apart sequences that must not share cached blocks. Hashes are 52
 * bits wide, so that each is an exact number.
 */
export const createTokenHasher = (blockSize: number, salt: string): TokenHasher => {
  const blocks: number[] = [];
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  let left = blockSize;
  const mix = (word: number): void => {
    high = Math.imul(high ^ word, 0x01000193);
    high ^= high >>> 15;
    low = Math.imul(low + word, 0xcc9e2d51) ^ high;
    low ^= low >>> 13;
  };
  const value = (): number => scatter(high) * 2 ** 20 + (scatter(low) >>> 12);
  for (let index = 0; index < salt.length; index += 1) mix(salt.charCodeAt(index) + 1);
  return {
    blocks,
    value,
    push: (tokens) => {
      for (const token of tokens) {
        mix(token | 0);
        mix((token / 2 ** 32) | 0);
        left -= 1;
        if (left > 0) continue;
        blocks.push(value());
        left = blockSize;
      }
    },
  };
};

/** The block hashes of a whole sequence. */
export const blockHashes = (
  tokens: readonly number[],
  blockSize: number,
  salt: string,
): readonly number[] => {
  const hasher = createTokenHasher(blockSize, salt);
  hasher.push(tokens);
  return hasher.blocks;
};

/** One hash of some numbers. */
export const hashOf = (numbers: readonly number[]): number => {
  const hasher = createTokenHasher(numbers.length + 1, "");
  hasher.push(numbers);
  return hasher.value();
};
