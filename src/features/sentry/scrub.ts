import type { ErrorEvent, Event, Exception } from "@sentry/bun";

const MAX_TEXT = 500;

/** What may hold a piece of a body or of a header: quoted text, credentials in an address, tokens. */
const TELLTALES = [
  /"(?:[^"\\]|\\.)*(?:"|$)|`[^`]*(?:`|$)/g,
  /(?<=:\/\/)[^\s/@]+@/g,
  /\b(?:Bearer|Basic)\s+\S+/gi,
];

/** A text without the secrets that are known, without anything that is quoted, and cut where it is long. */
export const redact = (text: string, secrets: readonly string[]): string => {
  const open = secrets.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  const clean = TELLTALES.reduce((rest, telltale) => rest.replace(telltale, "[...]"), open);
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}...` : clean;
};

const pick = <Of extends object, Key extends keyof Of>(from: Of, keys: readonly Key[]): Pick<Of, Key> =>
  Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]]))) as Pick<
    Of,
    Key
  >;

const scrubException = (from: Exception, secrets: readonly string[]): Exception => {
  const kept: Exception = {};
  if (from.type !== undefined) kept.type = redact(from.type, secrets);
  if (from.value !== undefined) kept.value = redact(from.value, secrets);
  if (from.mechanism)
    kept.mechanism = pick(from.mechanism, ["type", "handled", "source", "exception_id", "parent_id"]);
  const frames = from.stacktrace?.frames?.map((frame) =>
    pick(frame, ["filename", "function", "module", "lineno", "colno", "in_app"]),
  );
  if (frames) kept.stacktrace = { frames };
  return kept;
};

/**
 * An event of which only what is named here is left: which kinds of error, where in the code, and of which
 * version. Requests, users, variables and whatever else a library adds stay behind.
 */
export const scrubEvent = (event: ErrorEvent, secrets: readonly string[]): ErrorEvent => ({
  ...pick(event, ["event_id", "timestamp", "level", "platform", "server_name", "release", "environment"]),
  ...pick(event, ["sdk", "tags"]),
  type: undefined,
  contexts: pick(event.contexts ?? {}, ["runtime", "trace"]),
  exception: {
    values: (event.exception?.values ?? []).map((exception) => scrubException(exception, secrets)),
  },
});

/** A trace of which only what is named here is left; the router itself has put in nothing else. */
export const scrubTransaction = <Transaction extends Event & { type: "transaction" }>(
  event: Transaction,
) => ({
  ...pick(event, ["event_id", "timestamp", "start_timestamp", "platform", "server_name", "release"]),
  ...pick(event, ["environment", "sdk", "tags", "transaction", "transaction_info", "spans"]),
  type: event.type,
  contexts: pick(event.contexts ?? {}, ["runtime", "trace"]),
});
