import { type EngineCells, setTime, timeAt } from "../core/engine-cells.ts";
import { createEvidence } from "./evidence.ts";

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
  /** Its number, where it is a probe. */
  readonly probe?: number;
}

/** Requests let through, none, or one at a time. */
export type BreakerState = "closed" | "open" | "half_open";

/** The breaker of one engine, of whose methods those that change more than counts are called by one thread at a time; all times are monotonic milliseconds. */
export interface Breaker {
  readonly isOpen: () => boolean;
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
  /** Whether enough probes were answered and it was open long enough. */
  readonly canClose: (now: number) => boolean;
  /** Closes it where it can be; whether it did. */
  readonly settle: (now: number) => boolean;
}

// What is judged.
const ERA = 0;
const EJECTIONS = 1;
const OPENED_AT = 2;
const UNTIL = 3;
/** Before it nothing ends the wait: an engine that comes and goes does not get requests whenever it comes. */
const LEAST_UNTIL = 4;
/** Probes answered in a row. */
const PASSES = 5;
const CLOSED_AT = 6;
const FAILURES = 7;

/** The number of the probing request; 0 where there is none. */
export const PROBE = 8;

/** Numbers of what is judged, of one engine. */
export const BREAKER_CELLS = 9;

interface BreakerDeps {
  readonly random: () => number;
  /** What is judged. */
  readonly state?: Float64Array;
  /** By what, of each thread; asked for with the first request. */
  readonly rows?: (() => EngineCells) | undefined;
  /** A number for a probe that no other one has. */
  readonly nextProbe?: () => number;
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
export const createBreaker = (options: BreakerOptions, deps: BreakerDeps): Breaker => {
  const { successThreshold, ejectionMs } = options;
  const { random, state = new Float64Array(BREAKER_CELLS), rows, nextProbe = createNumbers() } = deps;
  const holdDownMs = holdDownFor(options);

  const at = (place: number): number => state[place] ?? 0;
  const isOpen = (): boolean => at(OPENED_AT) !== 0;
  const isProbe = ({ probe }: Attempt): boolean => probe !== undefined && at(PROBE) === probe;
  const failures = state.subarray(FAILURES, FAILURES + 1);
  const evidence = createEvidence(options, { era: () => at(ERA), failures, rows });

  const ejectFor = (): number => {
    const capMs = Math.max(LONGEST_MS, ejectionMs);
    const jitter = 1 - JITTER + 2 * JITTER * random();
    return Math.min(capMs, Math.min(capMs, ejectionMs * at(EJECTIONS)) * jitter);
  };

  const extend = (now: number): Trip => {
    state[EJECTIONS] = at(EJECTIONS) + 1;
    state[UNTIL] = now + ejectFor();
    state[PASSES] = 0;
    state[PROBE] = 0;
    return "failed_probe";
  };

  // A success is an answer that began, not one that ended: its end may be a quarter of an hour away.
  const isMostlyFailing = (now: number): boolean => {
    const failed = evidence().failures.count(now);
    const samples = Math.max(evidence().begun.count(now), failed);
    return samples >= LEAST_SAMPLES && 2 * failed > samples;
  };

  const takeBack = (attempt: Attempt, now: number): void => {
    if (attempt.era === at(ERA) && !isOpen()) evidence().begun.takeBack(attempt.beganAt, now);
    if (isProbe(attempt)) state[PROBE] = 0;
  };

  const canClose = (now: number): boolean => {
    const openedAt = timeAt(state, OPENED_AT);
    return openedAt !== undefined && at(PASSES) >= successThreshold && now - openedAt >= holdDownMs;
  };

  return {
    isOpen,
    stateAt: (now) => (!isOpen() ? "closed" : now < at(UNTIL) ? "open" : "half_open"),
    isProbing: () => at(PROBE) !== 0,
    closedAt: () => timeAt(state, CLOSED_AT) ?? Number.NEGATIVE_INFINITY,
    opened: () => {
      const openedAt = timeAt(state, OPENED_AT);
      return openedAt === undefined ? undefined : { at: openedAt, until: at(UNTIL) };
    },
    begin: (now) => {
      const attempt = { beganAt: now, era: at(ERA) };
      if (!isOpen()) evidence().begun.add(now);
      else if (now >= at(UNTIL) && at(PROBE) === 0) {
        const probe = nextProbe();
        state[PROBE] = probe;
        return { ...attempt, probe };
      }
      return attempt;
    },
    answered: (attempt) => {
      if (isProbe(attempt)) state[PASSES] = at(PASSES) + 1;
      else if (!isOpen() && attempt.era === at(ERA)) attempt.mark = evidence().run.answered();
    },
    failed: (attempt, now) => {
      if (isOpen()) return isProbe(attempt) ? extend(now) : undefined;
      if (attempt.era !== at(ERA)) return undefined;
      evidence().failures.add(now);
      if (evidence().run.failed(attempt.mark)) return "consecutive_failures";
      return isMostlyFailing(now) ? "failure_rate" : undefined;
    },
    refused: (attempt, now) => {
      if (isOpen() && isProbe(attempt)) return extend(now);
      takeBack(attempt, now);
      return undefined;
    },
    left: takeBack,
    ended: (attempt) => {
      if (isProbe(attempt)) state[PROBE] = 0;
    },
    open: (now) => {
      if (isOpen()) return;
      const passedMs = now - (timeAt(state, CLOSED_AT) ?? Number.NEGATIVE_INFINITY);
      state[EJECTIONS] = Math.max(0, at(EJECTIONS) - Math.floor(passedMs / DECAY_MS)) + 1;
      state[ERA] = at(ERA) + 1;
      state[UNTIL] = now + ejectFor();
      state[LEAST_UNTIL] = at(EJECTIONS) > 1 ? at(UNTIL) : now;
      state[PASSES] = 0;
      state[PROBE] = 0;
      setTime(state, OPENED_AT, now);
    },
    probeSoon: (now) => {
      if (isOpen()) state[UNTIL] = Math.min(at(UNTIL), Math.max(now, at(LEAST_UNTIL)));
    },
    canClose,
    settle: (now) => {
      if (!canClose(now)) return false;
      setTime(state, OPENED_AT, undefined);
      setTime(state, CLOSED_AT, now);
      state[ERA] = at(ERA) + 1;
      state[FAILURES] = 0;
      state[PROBE] = 0;
      return true;
    },
  };
};

const createNumbers = (): (() => number) => {
  let last = 0;
  return () => (last += 1);
};
