import type { EngineErrorCode } from "../core/errors.ts";

/**
 * How an engine failed a request of which nothing has gone to the client: it was never sent, the connection was
 * lost without a byte, no answer came in time, it was no answer, or it was one with status 500, one with 502 to
 * 504, or 429.
 */
export type Failure = "unsent" | "lost" | "late" | "invalid" | "broken" | "overloaded" | "busy";

const BY_CODE: Readonly<Record<EngineErrorCode, Failure>> = {
  upstream_unreachable: "unsent",
  upstream_reset: "lost",
  upstream_timeout: "late",
  upstream_invalid: "invalid",
};

const BY_STATUS: Readonly<Record<number, Failure>> = {
  429: "busy",
  500: "broken",
  502: "overloaded",
  503: "overloaded",
  504: "overloaded",
};

/** The failure that an engine's error is. */
export const failureOfCode = (code: EngineErrorCode): Failure => BY_CODE[code];

/** The failure that an answer with this status is; absent where it is to be passed on in any case. */
export const failureOfStatus = (status: number): Failure | undefined => BY_STATUS[status];

/** What is known of a request when an attempt has failed. */
interface Past {
  /** Of each attempt, in order; at least one. */
  readonly failures: readonly Failure[];
  readonly maxAttempts: number;
  readonly isReplaySafe: boolean;
  /** There are engines that were not asked yet. */
  readonly hasOthers: boolean;
  /** The last engine was asked before for this request. */
  readonly isRepeat: boolean;
  /** The last engine named a time before which it does not want to be asked again. */
  readonly asksToWait: boolean;
  /** To none of the engines that could be asked next was there a connection of late. */
  readonly isDeadEnd: boolean;
}

/** What comes after a failed attempt. */
export type Next =
  | { readonly to: "another" | "spare" | "same"; readonly isCounted: boolean }
  /** Nothing; it is pointless where the request itself seems to be what breaks engines. */
  | { readonly to: "nobody"; readonly isPointless: boolean };

/** Attempts after a connection failed that no budget counts, while there are engines that can be reached. */
const FREE_ATTEMPTS = 2;
/** Engines that one request may break. */
const MAX_BROKEN = 2;

/** Whether there was no connection, or it was lost without a byte. */
export const isConnectionFailure = (failure: Failure): boolean => failure === "unsent" || failure === "lost";
const isBreakage = (failure: Failure): boolean => failure === "broken" || failure === "lost";

const NOBODY: Next = { to: "nobody", isPointless: false };

/**
 * Whether there is another attempt, and where: at another engine while there is one, `spare` meaning one that is
 * known to have room; at the same engine once, where it was not reached or had too much to do.
 */
export const nextAttempt = (past: Past): Next => {
  const { failures, maxAttempts, isReplaySafe, hasOthers, isRepeat, asksToWait, isDeadEnd } = past;
  const last = failures.at(-1);
  if (last === undefined) return NOBODY;
  if (failures.filter(isBreakage).length >= MAX_BROKEN) return { to: "nobody", isPointless: true };
  if (failures.length >= maxAttempts || (!isReplaySafe && last !== "unsent")) return NOBODY;
  const isCounted =
    isDeadEnd || !isConnectionFailure(last) || failures.filter(isConnectionFailure).length > FREE_ATTEMPTS;
  if (last === "busy") return hasOthers ? { to: "spare", isCounted } : NOBODY;
  if (hasOthers) return { to: "another", isCounted };
  const mayRepeat = !isRepeat && !asksToWait && (last === "unsent" || last === "overloaded");
  return mayRepeat ? { to: "same", isCounted } : NOBODY;
};

/** Longest wait before the same engine is asked again: it doubles up to a limit. */
const FIRST_WAIT_MS = 25;
const MAX_WAIT_MS = 250;

/** Milliseconds before the same engine is asked again after so many attempts: any up to the longest, so that waiters spread. */
export const repeatDelayMs = (attempts: number, random: () => number): number =>
  random() * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1));
