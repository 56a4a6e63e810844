import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import { type Attempt, type Breaker, type BreakerOptions, holdDownFor, type Trip } from "./breaker.ts";
import { type Court, createCourt, UNREACHABLE } from "./court.ts";
import { busyUntil, createJudgedEngines, type Judged, slowSince } from "./judged-engines.ts";
import { mostEjected, type Standing } from "./pool.ts";
import { LEAST_WEIGHT, slowStartWeight } from "./slow-start.ts";

/** How engines are judged by the requests that they get. */
export interface OutlierOptions {
  /** Absent where no engine is ejected. */
  readonly breaker?: BreakerOptions | undefined;
  /** Time over which an engine that came or came back gets its full share; 0 for at once. */
  readonly slowStartMs: number;
}

/** A request that an engine failed on. */
export interface Failure {
  /** Half a sentence for the log. */
  readonly reason: string;
  /** No connection could be made. */
  readonly isUnreachable: boolean;
}

/** An engine had no room for a request, which is no failure. */
export interface Refusal {
  /** Milliseconds for which it had better get less. */
  readonly busyMs: number;
}

/**
 * How a request to an engine ended: with its answer, with the client gone, which says nothing of the engine, with
 * an engine that had no room, or with a failure.
 */
export type Ending = "ended" | "left" | Refusal | Failure;

/** One request to an engine. */
export interface Trial {
  /** The engine is ejected, and this is not the request that probes it. */
  readonly isBeside: boolean;
  /** The answer has begun, and it is one. */
  readonly answered: () => void;
  /** Of several ends the first one counts. */
  readonly end: (ending: Ending) => void;
}

/** The engines that there are. */
export interface Lineup {
  /** By their ids. */
  readonly endpoints: ReadonlyMap<string, Pick<Endpoint, "url">>;
  /** Those that can serve, by discovery and health. */
  readonly able: ReadonlySet<string>;
  /** The engines of each model. */
  readonly pools: readonly (readonly string[])[];
}

/** Which engines stand out by failing, and which have just come. It outlives reloads. */
export interface Outliers {
  /** True while every engine gets its full share: nothing has to be looked at. */
  readonly isQuiet: () => boolean;
  /** Ids of engines that may get less than their share, in no particular order. */
  readonly unusual: () => Iterable<string>;
  readonly standingOf: (endpointId: string) => Standing;
  /** A request is sent; `onUnreachable` is told when no connection can be made. */
  readonly begin: (endpoint: Endpoint, onUnreachable?: (endpointId: string) => void) => Trial;
  /** A probe over a fresh connection was answered: whoever could not be reached may be tried again. */
  readonly reached: (endpointId: string) => void;
  /** Monotonic milliseconds at which an engine that is in was let in again; absent where it was never out. */
  readonly returnedAt: (endpointId: string) => number | undefined;
  /** Told of every change. */
  readonly see: (lineup: Lineup) => void;
}

interface OutlierDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** From 0, below 1. */
  readonly random: () => number;
  /** Monotonic milliseconds at which the probes of an engine last changed their mind. */
  readonly healthChangedAt: (endpointId: string) => number | undefined;
  readonly onEjected: (url: string, trip: Trip) => void;
  /** Where other threads judge as well; this thread's own where absent. */
  readonly court?: Court | undefined;
}

const full: Standing = { state: "serving", weight: 1, isOpen: true, isReachable: true };

/** A request of which nothing is made. */
export const unjudged: Trial = { isBeside: false, answered: () => {}, end: () => {} };

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

/** Judges engines by what becomes of their requests; an ejection is one warning, its end one line of information. */
export const createOutliers = (
  { breaker: breakerOptions, slowStartMs }: OutlierOptions,
  { clock, log, random, healthChangedAt, onEjected, court = createCourt() }: OutlierDeps,
): Outliers => {
  const createdAt = clock.monotonic();
  const engines = createJudgedEngines({ breaker: breakerOptions, court, random });
  let lineup: Lineup = { endpoints: new Map(), able: new Set(), pools: [] };
  let hasSeen = false;

  const slowDown = (judged: Judged, now: number): void => {
    if (slowStartMs > 0) engines.slow(judged, now);
  };

  const hasRoom = (id: string): boolean =>
    lineup.pools.some(
      (pool) => pool.includes(id) && pool.filter(engines.isOut).length < mostEjected(pool.length),
    );

  /** Requests to an engine that is gone say nothing of one that came under its name. */
  const isCurrent = (judged: Judged): boolean => engines.get(judged.id) === judged;

  const settle = (judged: Judged): void => {
    const { url, breaker } = judged;
    if (!breaker?.isOpen()) return;
    const now = clock.monotonic();
    if (!breaker.canClose(now)) return;
    const openedAt = court.exclusively(() => {
      const { at } = breaker.opened() ?? {};
      if (!breaker.settle(now) || !isCurrent(judged)) return undefined;
      slowDown(judged, now);
      court.changed();
      return at;
    });
    if (openedAt === undefined) return;
    log.info(`Engine ${url} answers again and gets requests, after ${seconds(now - openedAt)}`);
  };

  /** Gives what says what was done. */
  const trip = (judged: Judged, why: Trip, { reason, isUnreachable }: Failure, now: number) => {
    const { id, url, state, breaker } = judged;
    if (!breaker || !isCurrent(judged)) return undefined;
    if (why === "failed_probe") {
      state[UNREACHABLE] = Number(isUnreachable);
      return () => {
        onEjected(url, why);
        log.debug(`Engine ${url} still fails and gets no requests yet: ${reason}`);
      };
    }
    // Whoever has just come back would come and go: it gets fewer requests instead.
    const cameAt = Math.max(breaker.closedAt(), healthChangedAt(id) ?? Number.NEGATIVE_INFINITY);
    if (breakerOptions && now - cameAt < holdDownFor(breakerOptions)) {
      slowDown(judged, now);
      return undefined;
    }
    if (!hasRoom(id)) return undefined;
    breaker.open(now);
    state[UNREACHABLE] = Number(isUnreachable);
    engines.slow(judged, undefined);
    const forMs = (breaker.opened()?.until ?? now) - now;
    const what = why === "failure_rate" ? "most of them fail" : "one after the other fails";
    return () => {
      onEjected(url, why);
      log.warning(`Engine ${url} gets no requests for ${seconds(forMs)}, because ${what}: ${reason}`);
    };
  };

  const finish = (judged: Judged, breaker: Breaker, attempt: Attempt, ending: Ending): void => {
    // What is no probe is counted by each thread for itself.
    const isProbe = attempt.probe !== undefined;
    if (ending === "ended") {
      if (isProbe) court.exclusively(() => breaker.ended(attempt));
      return;
    }
    const now = clock.monotonic();
    if (ending === "left") {
      if (isProbe) court.exclusively(() => breaker.left(attempt, now));
      else breaker.left(attempt, now);
      return;
    }
    const say = court.exclusively(() => {
      const isRefused = "busyMs" in ending;
      const why = isRefused ? breaker.refused(attempt, now) : breaker.failed(attempt, now);
      const failure = isRefused ? { reason: "no room", isUnreachable: false } : ending;
      if (isRefused) engines.busy(judged, Math.max(busyUntil(judged) ?? 0, now + ending.busyMs));
      return why && trip(judged, why, failure, now);
    });
    say?.();
  };

  return {
    isQuiet: () => engines.unusual().length === 0,
    unusual: engines.unusual,
    standingOf: (id) => {
      const judged = engines.get(id);
      if (!judged) return full;
      settle(judged);
      const now = clock.monotonic();
      const { breaker, state } = judged;
      if (breaker?.isOpen()) {
        const isHalfOpen = breaker.stateAt(now) === "half_open";
        const isOpen = isHalfOpen && !breaker.isProbing();
        const isReachable = state[UNREACHABLE] === 0;
        return { state: isHalfOpen ? "half_open" : "ejected", weight: 1, isOpen, isReachable };
      }
      const until = busyUntil(judged);
      const isBusy = until !== undefined && now < until;
      if (until !== undefined && !isBusy) engines.busy(judged, undefined);
      const most = isBusy ? LEAST_WEIGHT : 1;
      const since = slowSince(judged);
      const weight = since === undefined ? 1 : slowStartWeight(now - since, slowStartMs);
      if (weight < 1) return { ...full, state: "slow_start", weight: Math.min(weight, most) };
      if (since !== undefined) engines.slow(judged, undefined);
      return isBusy ? { ...full, weight: most } : full;
    },
    begin: (endpoint, onUnreachable) => {
      const { id, url } = endpoint;
      const judged = engines.of(id, url);
      const { breaker } = judged;
      if (!breaker) return unjudged;
      const now = clock.monotonic();
      const isOpen = breaker.isOpen();
      const attempt = isOpen ? court.exclusively(() => breaker.begin(now)) : breaker.begin(now);
      let isOver = false;
      return {
        isBeside: isOpen && attempt.probe === undefined,
        answered: () => {
          if (isOver) return;
          if (attempt.probe === undefined) breaker.answered(attempt);
          else court.exclusively(() => breaker.answered(attempt));
          settle(judged);
        },
        end: (ending) => {
          if (isOver) return;
          isOver = true;
          finish(judged, breaker, attempt, ending);
          if (typeof ending !== "string" && "isUnreachable" in ending && ending.isUnreachable)
            onUnreachable?.(id);
        },
      };
    },
    reached: (id) => {
      const { breaker, state } = engines.get(id) ?? {};
      if (!breaker?.isOpen() || state?.[UNREACHABLE] === 0) return;
      court.exclusively(() => {
        if (state) state[UNREACHABLE] = 0;
        breaker.probeSoon(clock.monotonic());
      });
    },
    returnedAt: (id) => {
      const { breaker } = engines.get(id) ?? {};
      const at = breaker?.isOpen() ? undefined : breaker?.closedAt();
      return at === Number.NEGATIVE_INFINITY ? undefined : at;
    },
    see: (next) => {
      const now = clock.monotonic();
      engines.keepOnly(next.endpoints);
      // Whoever comes in the first moments belongs to those that the router started with.
      const isRunning = court.isFirst && hasSeen && now - createdAt >= slowStartMs;
      for (const [id, { url }] of next.endpoints) {
        const judged = engines.of(id, url);
        if (!isRunning || !next.able.has(id) || lineup.able.has(id) || engines.isOut(id)) continue;
        slowDown(judged, now);
      }
      lineup = next;
      hasSeen = true;
    },
  };
};
