import { BACKSLASH, QUOTE } from "./json-bytes.ts";
import { stringEnd } from "./json-fields.ts";

/** Long strings of JSON that are not made strings, for each makes copies: in their place stand short ones. */
export interface KeptStrings {
  /** JSON of these bytes, up to `end`, with a short string in the place of each long one that has no escapes. */
  readonly textOf: (bytes: Uint8Array, start: number, end: number) => string;
  /** What a string of such JSON stands for; `undefined` where it stands for itself. */
  readonly bytesOf: (text: string) => Buffer | undefined;
}

/** Strings below this many bytes cost less to parse than to keep. */
const MIN_BYTES = 1024;

/** What begins a string that stands for another: a client that writes one finds its own bytes there, if any. */
const MARK = "\0#";
const WRITTEN_MARK = String.raw`\u0000#`;

const viewOf = (bytes: Uint8Array, start: number, end: number): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);

/** Nothing is kept at first. */
export const createKeptStrings = (): KeptStrings => {
  const kept: Buffer[] = [];
  return {
    textOf: (bytes, start, end) => {
      let text = "";
      let from = start;
      let open = bytes.indexOf(QUOTE, start);
      while (open >= 0 && open < end) {
        const close = stringEnd(bytes, open + 1);
        if (close < 0 || close >= end) break;
        const string = close - open > MIN_BYTES ? viewOf(bytes, open + 1, close) : undefined;
        if (string && !string.includes(BACKSLASH)) {
          text += `${viewOf(bytes, from, open).toString()}"${WRITTEN_MARK}${kept.length}"`;
          from = close + 1;
          kept.push(string);
        }
        open = bytes.indexOf(QUOTE, close + 1);
      }
      return text + viewOf(bytes, from, end).toString();
    },
    bytesOf: (text) => (text.startsWith(MARK) ? kept[Number(text.slice(MARK.length))] : undefined),
  };
};
