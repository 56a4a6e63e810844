import type { Bytes } from "../core/answer.ts";
import { type AnswerHead, readAnswerHead } from "./answer-head.ts";
import { concat, CR, endOfLines, LF, partOf, text } from "./bytes.ts";
import { checkBeginning, chunkSize, hexDigit } from "./chunk-size.ts";
import { invalidAnswer } from "./invalid-answer.ts";

/** Who is told of an answer, in this order; `piece` may come many times or never. */
export interface AnswerEvents {
  readonly head: (head: AnswerHead) => void;
  /** Bytes of the body; `isLast` where it is known to end with them. */
  readonly piece: (bytes: Bytes, isLast: boolean) => void;
  /** The answer is whole; `isReusable` where the connection may carry another request. */
  readonly end: (isReusable: boolean) => void;
}

/** Reads what comes on a connection as answers (RFC 9112), one after each request. */
export interface AnswerParser {
  /** A request has been sent: an answer may come. */
  readonly expect: (method: string) => void;
  /** Throws an error of `invalidAnswer` for what is no answer, or not due; then the connection is of no more use. */
  readonly read: (bytes: Bytes) => void;
  /** The engine has closed the connection; true where that ends an answer well. */
  readonly close: () => boolean;
}

/** A line of a chunk's size, of which engines need 10, or all trailers. */
const MAX_LINE = 8 * 1024;
const MAX_HEAD = 64 * 1024;

const PROTOCOL = "HTTP/1.";

/** What comes next. */
type State = "nothing" | "head" | "length" | "until close" | "size" | "chunk" | "chunk end" | "trailers";

/** Creates what reads the answers of one connection. */
export const createAnswerParser = (events: AnswerEvents): AnswerParser => {
  let state: State = "nothing";
  let method = "";
  let isReusable = true;
  /** Bytes of the body, or of its chunk, that are to come. */
  let left = 0;
  /** The beginning of what cannot be read yet. */
  let begun: Bytes | undefined;
  let trailerBytes = 0;

  const finish = (): void => {
    state = "nothing";
    events.end(isReusable);
  };

  const beginBody = (found: AnswerHead): void => {
    isReusable = found.isPersistent;
    events.head(found);
    const { length } = found;
    if (method === "HEAD" || found.status === 204 || found.status === 304 || length === 0) finish();
    else if (length === "chunked") state = "size";
    else if (length === undefined) {
      isReusable = false;
      state = "until close";
    } else {
      left = length;
      state = "length";
    }
  };

  /** Takes the head that begins at `at`; the place after it, or the end where it is not whole. */
  const takeHead = (bytes: Bytes, at: number): number => {
    const after = endOfLines(bytes, at);
    if ((after < 0 ? bytes.length : after) - at > MAX_HEAD) throw invalidAnswer("its head is too long");
    if (after < 0) {
      // Who speaks another protocol may wait for an answer.
      if (!PROTOCOL.startsWith(text(bytes, at, at + PROTOCOL.length)))
        throw invalidAnswer("it is of another protocol");
      begun = bytes.subarray(at);
      return bytes.length;
    }
    const found = readAnswerHead(text(bytes, at, after));
    // An interim answer; the other one follows (RFC 9110 section 15.2).
    if (found.status >= 200) beginBody(found);
    else if (found.status === 101) throw invalidAnswer("it switched protocols");
    return after;
  };

  const beginChunk = (size: number): void => {
    left = size;
    state = size === 0 ? "trailers" : "chunk";
    trailerBytes = 0;
  };

  /** Takes a chunk's size, which begins at `at`; the place after its line. */
  const takeSize = (bytes: Bytes, at: number): number => {
    let size = 0;
    let place = at;
    for (let digit = hexDigit(bytes[place]); digit >= 0; digit = hexDigit(bytes[place])) {
      size = size * 16 + digit;
      place += 1;
    }
    // As engines write it; the rest is looked at closely.
    if (bytes[place] === CR && bytes[place + 1] === LF && place > at && place < at + 8) {
      beginChunk(size);
      return place + 2;
    }
    return takeOddSize(bytes, at);
  };

  const takeOddSize = (bytes: Bytes, at: number): number => {
    const end = bytes.indexOf(LF, at);
    if ((end < 0 ? bytes.length : end) - at > MAX_LINE) throw invalidAnswer("a chunk's size is too long");
    if (end < 0) {
      checkBeginning(text(bytes, at, bytes.length));
      begun = bytes.subarray(at);
      return bytes.length;
    }
    beginChunk(chunkSize(text(bytes, at, end)));
    return end + 1;
  };

  /** Takes the line break after a chunk's bytes. */
  const takeChunkEnd = (bytes: Bytes, at: number): number => {
    if (bytes[at] === CR) {
      if (at + 1 === bytes.length) {
        begun = bytes.subarray(at);
        return bytes.length;
      }
      at += 1;
    }
    if (bytes[at] !== LF) throw invalidAnswer("a chunk is longer than its size");
    state = "size";
    return at + 1;
  };

  /** Drops the fields after the last chunk, line by line, until the empty one. */
  const takeTrailer = (bytes: Bytes, at: number): number => {
    const end = bytes.indexOf(LF, at);
    const length = (end < 0 ? bytes.length : end) - at;
    if (trailerBytes + length > MAX_LINE) throw invalidAnswer("its trailers are too long");
    if (end < 0) {
      begun = bytes.subarray(at);
      return bytes.length;
    }
    trailerBytes += length;
    if (end === at || (end === at + 1 && bytes[at] === CR)) finish();
    return end + 1;
  };

  /** Reads the rest of the chunks in `bytes` and hands over all their bytes at once. */
  const readChunks = (bytes: Bytes, from: number): number => {
    let at = from;
    // Where the bytes found so far stand, one chunk moved up to the other.
    let first = from;
    let last = from;
    const hand = (isLast: boolean): void => {
      if (last > first) events.piece(partOf(bytes, first, last), isLast);
      first = last;
    };
    while (at < bytes.length) {
      switch (state) {
        case "size":
          at = takeSize(bytes, at);
          break;
        case "chunk": {
          const some = Math.min(left, bytes.length - at);
          if (last === first) first = last = at;
          else bytes.copyWithin(last, at, at + some);
          last += some;
          at += some;
          left -= some;
          if (left === 0) state = "chunk end";
          break;
        }
        case "chunk end":
          at = takeChunkEnd(bytes, at);
          break;
        case "trailers":
          hand(true);
          at = takeTrailer(bytes, at);
          break;
        case "nothing":
        case "head":
        case "length":
        case "until close":
          return at;
      }
    }
    hand(false);
    return at;
  };

  /** Reads what comes next; the place after it. */
  const readFrom = (bytes: Bytes, at: number): number => {
    switch (state) {
      case "length": {
        const end = Math.min(bytes.length, at + left);
        const some = at === 0 && end === bytes.length ? bytes : partOf(bytes, at, end);
        left -= some.length;
        events.piece(some, left === 0);
        if (left === 0) finish();
        return at + some.length;
      }
      case "until close":
        events.piece(at === 0 ? bytes : bytes.subarray(at), false);
        return bytes.length;
      case "size":
      case "chunk":
      case "chunk end":
      case "trailers":
        return readChunks(bytes, at);
      case "nothing":
        throw invalidAnswer("it said something unasked");
      case "head":
        return takeHead(bytes, at);
    }
  };

  return {
    expect: (by) => {
      method = by;
      state = "head";
    },
    read: (came) => {
      const bytes = concat(begun, came);
      begun = undefined;
      for (let at = 0; at < bytes.length;) at = readFrom(bytes, at);
    },
    close: () => {
      if (state !== "until close") return false;
      finish();
      return true;
    },
  };
};
