import type { Fields } from "../core/fields.ts";
import type { Ending } from "./trials.ts";

/** Too many requests, and Anthropic's word for an engine that is overloaded. */
const FULL: ReadonlySet<number> = new Set([429, 529]);
const UNAVAILABLE = 503;
/** Says something of the request, not of the engine that has not built it. */
const NOT_IMPLEMENTED = 501;

/** Time for which an engine has no room that names none. */
const BUSY_MS = 1000;
/** However long it says: load comes and goes within seconds. */
const MOST_BUSY_MS = 60_000;

const busyMs = (headers: Fields): number => {
  // A date is of a clock that nobody knows here.
  const seconds = /^\d+$/.exec(headers["retry-after"] ?? "")?.[0];
  return seconds === undefined ? BUSY_MS : Math.min(MOST_BUSY_MS, Number(seconds) * 1000);
};

/** The beginning of an answer, as far as it tells something of the engine. */
interface Beginning {
  readonly status: number;
  readonly headers: Fields;
  /** Nothing came where something must. */
  readonly isEmpty: boolean;
}

/**
 * What the beginning of an answer says of its engine; `answered` where it does its work. An engine that names a time
 * with its 503 is only busy; one that answers everything at once with nothing would draw all requests.
 */
export const verdictOf = ({ status, headers, isEmpty }: Beginning): "answered" | Ending => {
  if (FULL.has(status) || (status === UNAVAILABLE && headers["retry-after"] !== undefined))
    return { busyMs: busyMs(headers) };
  if (status === 200 && isEmpty) return { reason: "it answered with nothing", isUnreachable: false };
  if (status === NOT_IMPLEMENTED) return "ended";
  if (status < 500) return "answered";
  return { reason: `it answered ${status}`, isUnreachable: false };
};
