import type { Ending } from "./outliers.ts";

/** Too many requests, and Anthropic's word for an engine that is overloaded. */
const FULL: ReadonlySet<number> = new Set([429, 529]);
const UNAVAILABLE = 503;
/** Says something of the request, not of the engine that has not built it. */
const NOT_IMPLEMENTED = 501;

/**
 * What the head of an answer says of its engine; `answered` where it does its work. An engine that names a time
 * with its 503 is only busy.
 */
export const verdictOf = (status: number, headers: Headers): "answered" | Ending => {
  if (FULL.has(status) || (status === UNAVAILABLE && headers.has("retry-after"))) return "refused";
  if (status < 500 || status === NOT_IMPLEMENTED) return "answered";
  return { reason: `it answered ${status}`, isUnreachable: false };
};
