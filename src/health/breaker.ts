import { createWindow } from "../core/window.ts";
import { createFailureRun } from "./failure-run.ts";

/** When an engine is ejected, and for how long. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failureThreshold: number;
  /** Probing requests in a row that have to be answered before it closes. */
  readonly successThreshold: number;
  /** First time that it stays open; the nth in a row is n times as long, at most a minute. */
  readonly ejectionMs: number;
  /** Time over which the share of failures is taken. */
  readonly windowMs: number;
}

/** Why a breaker opens, as a metric names it. */
export type Trip = "consecutive_failures" | "failure_rate" | "failed_probe";

/** One request to the engine. */
export interface Attempt {
  readonly beganAt: number;
  /** Of the breaker when it began: what was sent before a change says nothing about the time after it. */
  readonly era: number;
  /** Of its answer, once that has begun. */
  mark?: number;
}

/** Requests let through, none, or one at a time. */
export type BreakerState = "closed" | "open" | "half_open";

/** The breaker of one engine; all times are monotonic milliseconds. */
export interface Breaker {
  readonly stateAt: (now: number) => BreakerState;
  /** Whether a probing request is under way. */
  readonly isProbing: () => boolean;
  /** When it last closed again; before all time where it never opened. */
  readonly closedAt: () => number;
  /** When it opened and until when no request probes; `undefined` while it is closed. */
  readonly opened: () => { readonly at: number; readonly until: number } | undefined;
  /** A request is sent: it is the probe where the breaker is half-open and has none. */
  readonly begin: (now: number) => Attempt;
  /** The answer has begun, and it is one. */
  readonly answered: (attempt: Attempt) => void;
  /** Why it should be open from now on; `failed_probe` where it is already. */
  readonly failed: (attempt: Attempt, now: number) => Trip | undefined;
  /** The engine had no room: a probe has failed, and any other request says nothing. */
  readonly refused: (attempt: Attempt, now: number) => Trip | undefined;
  /** The client left: the request says nothing. */
  readonly left: (attempt: Attempt, now: number) => void;
  /** The answer has ended. */
  readonly ended: (attempt: Attempt) => void;
  readonly open: (now: number) => void;
  /**
   * Something else than a request was answered: the next request probes, where the engine has not been ejected of late; otherwise
   * when it has waited as long as it had to when it was ejected.
   */
  readonly probeSoon: (now: number) => void;
  /** Closes it where enough probes were answered and it was open long enough; whether it did. */
  readonly settle: (now: number) => boolean;
}

interface Opening {
  readonly at: number;
  until: number;
  /** Before it nothing ends the wait: an engine that comes and goes does not get requests whenever it comes. */
  readonly leastUntil: number;
  /** Probes answered in a row. */
  passes: number;
  probe: Attempt | undefined;
}

const LONGEST_MS = 60_000;
const JITTER = 0.2;
/** An ejection weighs less on the next one with each minute that passes without. */
const DECAY_MS = 60_000;
const LEAST_SAMPLES = 20;
/** An engine that comes and goes changes twice in any 30 s at most. */
const MOST_HOLD_DOWN_MS = 15_000;

/** Least time from one change of mind about an engine to the next. */
export const holdDownFor = ({ ejectionMs }: Pick<BreakerOptions, "ejectionMs">): number =>
  Math.min(3 * ejectionMs, MOST_HOLD_DOWN_MS);

/**
 * A breaker that is closed at first. It opens when it is told to, after it has said why; it is half-open by
 * itself when its time is over, for one request at a time.
 */
export const createBreaker = (
  options: BreakerOptions,
  { random }: { readonly random: () => number },
): Breaker => {
  const { failureThreshold, successThreshold, ejectionMs, windowMs } = options;
  const holdDownMs = holdDownFor(options);
  const forget = () => ({
    run: createFailureRun(failureThreshold),
    begun: createWindow(windowMs),
    failures: createWindow(windowMs),
  });
  let seen = forget();
  let era = 0;
  let ejections = 0;
  let opening: Opening | undefined;
  let closedAt = Number.NEGATIVE_INFINITY;

  const ejectFor = (): number => {
    const capMs = Math.max(LONGEST_MS, ejectionMs);
    const jitter = 1 - JITTER + 2 * JITTER * random();
    return Math.min(capMs, Math.min(capMs, ejectionMs * ejections) * jitter);
  };

  const extend = (current: Opening, now: number): Trip => {
    ejections += 1;
    current.until = now + ejectFor();
    current.passes = 0;
    current.probe = undefined;
    return "failed_probe";
  };

  // A success is an answer that began, not one that ended: its end may be a quarter of an hour away.
  const isMostlyFailing = (now: number): boolean => {
    const failures = seen.failures.count(now);
    const samples = Math.max(seen.begun.count(now), failures);
    return samples >= LEAST_SAMPLES && 2 * failures > samples;
  };

  const takeBack = (attempt: Attempt, now: number): void => {
    if (attempt.era === era && !opening) seen.begun.takeBack(attempt.beganAt, now);
    if (opening?.probe === attempt) opening.probe = undefined;
  };

  return {
    stateAt: (now) => (!opening ? "closed" : now < opening.until ? "open" : "half_open"),
    isProbing: () => opening?.probe !== undefined,
    closedAt: () => closedAt,
    opened: () => opening,
    begin: (now) => {
      const attempt: Attempt = { beganAt: now, era };
      if (!opening) seen.begun.add(now);
      else if (now >= opening.until) opening.probe ??= attempt;
      return attempt;
    },
    answered: (attempt) => {
      if (opening?.probe === attempt) opening.passes += 1;
      else if (!opening && attempt.era === era) attempt.mark = seen.run.answered();
    },
    failed: (attempt, now) => {
      if (opening) return opening.probe === attempt ? extend(opening, now) : undefined;
      if (attempt.era !== era) return undefined;
      seen.failures.add(now);
      if (seen.run.failed(attempt.mark)) return "consecutive_failures";
      return isMostlyFailing(now) ? "failure_rate" : undefined;
    },
    refused: (attempt, now) => {
      if (opening && opening.probe === attempt) return extend(opening, now);
      takeBack(attempt, now);
      return undefined;
    },
    left: takeBack,
    ended: (attempt) => {
      if (opening?.probe === attempt) opening.probe = undefined;
    },
    open: (now) => {
      if (opening) return;
      const passedMs = now - closedAt;
      ejections = Math.max(0, ejections - Math.floor(passedMs / DECAY_MS)) + 1;
      era += 1;
      const until = now + ejectFor();
      opening = { at: now, until, leastUntil: ejections > 1 ? until : now, passes: 0, probe: undefined };
    },
    probeSoon: (now) => {
      if (opening) opening.until = Math.min(opening.until, Math.max(now, opening.leastUntil));
    },
    settle: (now) => {
      if (!opening || opening.passes < successThreshold || now - opening.at < holdDownMs) return false;
      opening = undefined;
      closedAt = now;
      era += 1;
      seen = forget();
      return true;
    },
  };
};
