type Bytes = Uint8Array;

/** So much of the end of an answer is looked at, and no more: what counts stands in its last fields or events. */
const TAIL_BYTES = 4096;
/** Chunks below this may be pieces of one event. */
const SMALL_CHUNK = 32;

const latin1 = (bytes: Bytes, length: number): string => {
  // Called on the bytes as they are: a view of them would cost more than the text.
  return Buffer.prototype.toString.call(bytes, "latin1", Math.max(0, bytes.length - length));
};

/** The end of an answer, one character for each byte; `before` came just before `last`. */
export const tailText = (last: Bytes | undefined, before?: Bytes): string => {
  const text = last ? latin1(last, TAIL_BYTES) : "";
  return before && text.length < TAIL_BYTES ? latin1(before, TAIL_BYTES - text.length) + text : text;
};

/** The chunks that an answer ends with so far. */
export interface Tail {
  readonly add: (chunk: Bytes) => void;
  readonly last: () => Bytes | undefined;
  readonly before: () => Bytes | undefined;
}

/** Creates the tail of an answer that began with a chunk; two chunks are kept, since bytes are cut anywhere. */
export const createTail = (first: Bytes | undefined): Tail => {
  let last = first;
  let before: Bytes | undefined;
  return {
    add: (chunk) => {
      if (last && last.length < SMALL_CHUNK) last = Buffer.concat([last, chunk]);
      else {
        before = last;
        last = chunk;
      }
    },
    last: () => last,
    before: () => before,
  };
};
