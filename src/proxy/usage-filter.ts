import type { TokenUsage } from "../core/request-stats.ts";
import { readUsage } from "./usage.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes the event that only the router asked for out of a stream. */
export interface UsageFilter {
  /** What of the stream may go on after another chunk; absent where nothing may yet. */
  readonly take: (chunk: Bytes) => Bytes | undefined;
  /** What is still held back when the stream is over. */
  readonly rest: () => Bytes | undefined;
  /** What the event said, once it was there. */
  readonly usage: () => TokenUsage | undefined;
}

/** An event that is longer is another one, and is not held back until its end has come. */
const MAX_EVENT = 4096;

/** Bytes of an event's end that may come before its last one. */
const MAX_LINE_ENDS = 3;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const FIELD = Buffer.from('"usage"');
const EVENT_END = /\n\r?\n/g;
const USAGE_EVENT = /^data: ?(\{.*"usage"\s*:\s*\{.*\})\r?\n\r?\n$/;

// Called on the bytes as they are: a view of them for every chunk would cost more than the search.
const namesUsage = (bytes: Bytes): boolean => Buffer.prototype.includes.call(bytes, FIELD);

const endsEvent = (bytes: Bytes): boolean => {
  let at = bytes.length - 1;
  if (bytes[at] !== LINE_FEED) return false;
  at -= 1;
  if (bytes[at] === CARRIAGE_RETURN) at -= 1;
  return bytes[at] === LINE_FEED;
};

/** Where the line ends stand that a text ends with: what comes next may make them the end of an event. */
const lastLineEnds = (text: string): number => {
  const least = Math.max(0, text.length - MAX_LINE_ENDS);
  let at = text.length;
  while (at > least && (text[at - 1] === "\n" || text[at - 1] === "\r")) at -= 1;
  return at;
};

/** Empty lines before an event are nothing, and stay. */
const afterLineEnds = (text: string, start: number): number => {
  let at = start;
  while (text[at] === "\n" || text[at] === "\r") at += 1;
  return at;
};

/** The usage event has no choices; usage beside a choice is the engine's own doing. */
const isUsageEvent = (event: string): boolean => {
  const data = event.length > MAX_EVENT ? undefined : USAGE_EVENT.exec(event)?.[1];
  if (data === undefined) return false;
  try {
    const { choices } = JSON.parse(data) as { readonly choices?: unknown };
    return Array.isArray(choices) && choices.length === 0;
  } catch {
    return false;
  }
};

/**
 * Creates the filter of one stream. Events pass as they come and byte for byte; only the beginning of one is held
 * back until it has ended or is too long to be the one.
 */
export const createUsageFilter = (): UsageFilter => {
  let held: Bytes | undefined;
  let isInside = false;
  let usage: TokenUsage | undefined;
  let isOver = false;

  /** Splits what is there into events, in which one byte is one character. */
  const sift = (bytes: Bytes): Bytes => {
    const text = Buffer.prototype.toString.call(bytes, "latin1");
    let start = 0;
    for (const { 0: end, index } of text.matchAll(EVENT_END)) {
      const next = index + end.length;
      const from = isInside ? next : afterLineEnds(text, start);
      if (from < next && isUsageEvent(text.slice(from, next))) {
        isOver = true;
        usage = readUsage(bytes.subarray(from, next));
        return Buffer.concat([bytes.subarray(0, from), bytes.subarray(next)]);
      }
      isInside = false;
      start = next;
    }
    isInside ||= bytes.length - start > MAX_EVENT;
    const cut = isInside ? lastLineEnds(text) : start;
    held = bytes.subarray(cut);
    return bytes.subarray(0, cut);
  };

  return {
    take: (chunk) => {
      if (isOver) return chunk;
      const bytes = held?.length ? Buffer.concat([held, chunk]) : chunk;
      held = undefined;
      if (endsEvent(bytes) && !namesUsage(bytes)) {
        isInside = false;
        return bytes;
      }
      const kept = sift(bytes);
      return kept.length === 0 ? undefined : kept;
    },
    rest: () => {
      const last = held;
      held = undefined;
      return last?.length ? last : undefined;
    },
    usage: () => usage,
  };
};
