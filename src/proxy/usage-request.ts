import { fieldSpans, replaceSpan, type Span } from "./json-fields.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The routes whose streams tell their usage when asked, in an event of its own. */
const ASKABLE = /^\/v1\/(?:chat\/)?completions(?:\?|$)/;

const OPEN_BRACE = 0x7b;

const isOff = (value: unknown): boolean => value === undefined || value === null || value === false;

/** Where a body has its options; absent where it has more fields than are followed. */
const spanOfOptions = (body: Bytes): Span | undefined => {
  try {
    return fieldSpans(body, Number.POSITIVE_INFINITY).get("stream_options");
  } catch {
    return undefined;
  }
};

/** Whether options turn usage off; where they do not name it the engine decides. */
const isUsageOff = (options: unknown): options is object | null => {
  if (options === null) return true;
  if (typeof options !== "object" || !("include_usage" in options) || !isOff(options.include_usage))
    return false;
  // Running counts come with usage, in each event: turning it on would change them all.
  return !("continuous_usage_stats" in options) || isOff(options.continuous_usage_stats);
};

/**
 * The body of a stream's request with usage asked for; absent where the client asks for it itself, or where more
 * than one event would change. Of the body nothing changes but `stream_options`.
 */
export const askForUsage = (
  body: Bytes,
  path: string,
  field: (name: string) => unknown,
): Bytes | undefined => {
  if (field("stream") !== true || !ASKABLE.test(path)) return undefined;
  const options = field("stream_options");
  if (options === undefined) {
    const at = body.indexOf(OPEN_BRACE) + 1;
    // A body names its model at least: another field follows.
    const asking = Buffer.from('"stream_options":{"include_usage":true},');
    return replaceSpan(body, { start: at, end: at }, asking);
  }
  const span = isUsageOff(options) ? spanOfOptions(body) : undefined;
  if (!span) return undefined;
  return replaceSpan(body, span, Buffer.from(JSON.stringify({ ...options, include_usage: true })));
};
