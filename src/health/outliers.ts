import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import {
  type Attempt,
  type Breaker,
  type BreakerOptions,
  createBreaker,
  holdDownFor,
  type Trip,
} from "./breaker.ts";
import { mostEjected, type Standing } from "./pool.ts";
import { slowStartWeight } from "./slow-start.ts";

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

/**
 * How a request to an engine ended: with its answer, with the client gone, which says nothing of the engine, with
 * an engine that had no room, which is no failure, or with a failure.
 */
export type Ending = "ended" | "left" | "refused" | Failure;

/** One request to an engine. */
export interface Trial {
  /** The answer has begun, and it is one. */
  readonly answered: () => void;
  /** Of several ends the first one counts. */
  readonly end: (ending: Ending) => void;
}

/** The engines that there are. */
export interface Lineup {
  readonly endpoints: ReadonlySet<string>;
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
}

interface Judged {
  readonly id: string;
  readonly url: string;
  readonly breaker: Breaker;
  /** Whether a connection could be made when it was ejected. */
  isReachable: boolean;
}

const full: Standing = { state: "serving", weight: 1, isOpen: true, isReachable: true };

/** A request of which nothing is made. */
export const unjudged: Trial = { answered: () => {}, end: () => {} };

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

/** Judges engines by what becomes of their requests; an ejection is one warning, its end one line of information. */
export const createOutliers = (
  { breaker: breakerOptions, slowStartMs }: OutlierOptions,
  { clock, log, random, healthChangedAt, onEjected }: OutlierDeps,
): Outliers => {
  const createdAt = clock.monotonic();
  const engines = new Map<string, Judged>();
  const ejected = new Map<string, Judged>();
  /** Since when an engine has got less than its share. */
  const slow = new Map<string, number>();
  let lineup: Lineup = { endpoints: new Set(), able: new Set(), pools: [] };
  let hasSeen = false;

  const slowDown = (id: string, now: number): void => {
    if (slowStartMs > 0) slow.set(id, now);
  };

  const judgedOf = ({ id, url }: Endpoint, options: BreakerOptions): Judged => {
    const known = engines.get(id);
    if (known) return known;
    const added = { id, url, breaker: createBreaker(options, { random }), isReachable: true };
    engines.set(id, added);
    return added;
  };

  const hasRoom = (id: string): boolean =>
    lineup.pools.some(
      (pool) =>
        pool.includes(id) && pool.filter((other) => ejected.has(other)).length < mostEjected(pool.length),
    );

  /** Requests to an engine that is gone say nothing of one that came under its name. */
  const isCurrent = (judged: Judged): boolean => engines.get(judged.id) === judged;

  const settle = (judged: Judged): void => {
    const { id, url, breaker } = judged;
    const openedAt = breaker.opened()?.at;
    if (openedAt === undefined) return;
    const now = clock.monotonic();
    if (!breaker.settle(now) || !isCurrent(judged)) return;
    ejected.delete(id);
    slowDown(id, now);
    log.info(`Engine ${url} answers again and gets requests, after ${seconds(now - openedAt)}`);
  };

  const trip = (judged: Judged, why: Trip, { reason, isUnreachable }: Failure, now: number): void => {
    if (!isCurrent(judged)) return;
    const { id, url, breaker } = judged;
    if (why === "failed_probe") {
      judged.isReachable = !isUnreachable;
      onEjected(url, why);
      log.debug(`Engine ${url} still fails and gets no requests yet: ${reason}`);
      return;
    }
    // Whoever has just come back would come and go: it gets fewer requests instead.
    const cameAt = Math.max(breaker.closedAt(), healthChangedAt(id) ?? Number.NEGATIVE_INFINITY);
    if (breakerOptions && now - cameAt < holdDownFor(breakerOptions)) slowDown(id, now);
    else if (hasRoom(id)) {
      breaker.open(now);
      judged.isReachable = !isUnreachable;
      ejected.set(id, judged);
      slow.delete(id);
      onEjected(url, why);
      const forMs = (breaker.opened()?.until ?? now) - now;
      const what = why === "failure_rate" ? "most of them fail" : "one after the other fails";
      log.warning(`Engine ${url} gets no requests for ${seconds(forMs)}, because ${what}: ${reason}`);
    }
  };

  const finish = (judged: Judged, attempt: Attempt, ending: Ending): void => {
    const { breaker } = judged;
    if (ending === "ended") {
      breaker.ended(attempt);
      return;
    }
    const now = clock.monotonic();
    if (ending === "left") {
      breaker.left(attempt, now);
      return;
    }
    const isRefused = ending === "refused";
    const why = isRefused ? breaker.refused(attempt, now) : breaker.failed(attempt, now);
    if (why) trip(judged, why, isRefused ? { reason: "no room", isUnreachable: false } : ending, now);
  };

  return {
    isQuiet: () => ejected.size === 0 && slow.size === 0,
    unusual: () => new Set([...ejected.keys(), ...slow.keys()]),
    standingOf: (id) => {
      const now = clock.monotonic();
      const out = ejected.get(id);
      if (out) settle(out);
      if (out && ejected.has(id)) {
        const { breaker, isReachable } = out;
        const isHalfOpen = breaker.stateAt(now) === "half_open";
        const isOpen = isHalfOpen && !breaker.isProbing();
        return { state: isHalfOpen ? "half_open" : "ejected", weight: 1, isOpen, isReachable };
      }
      const since = slow.get(id);
      const weight = since === undefined ? 1 : slowStartWeight(now - since, slowStartMs);
      if (weight < 1) return { ...full, state: "slow_start", weight };
      slow.delete(id);
      return full;
    },
    begin: (endpoint, onUnreachable) => {
      if (!breakerOptions) return unjudged;
      const judged = judgedOf(endpoint, breakerOptions);
      const attempt = judged.breaker.begin(clock.monotonic());
      let isOver = false;
      return {
        answered: () => {
          if (isOver) return;
          judged.breaker.answered(attempt);
          settle(judged);
        },
        end: (ending) => {
          if (isOver) return;
          isOver = true;
          finish(judged, attempt, ending);
          if (typeof ending !== "string" && ending.isUnreachable) onUnreachable?.(endpoint.id);
        },
      };
    },
    reached: (id) => {
      const out = ejected.get(id);
      if (!out || out.isReachable) return;
      out.isReachable = true;
      out.breaker.probeSoon(clock.monotonic());
    },
    returnedAt: (id) => {
      const at = ejected.has(id) ? undefined : engines.get(id)?.breaker.closedAt();
      return at === Number.NEGATIVE_INFINITY ? undefined : at;
    },
    see: (next) => {
      const now = clock.monotonic();
      // Whoever comes in the first moments belongs to those that the router started with.
      if (hasSeen && now - createdAt >= slowStartMs) {
        for (const id of next.able) if (!lineup.able.has(id) && !ejected.has(id)) slowDown(id, now);
      }
      for (const map of [engines, ejected, slow]) {
        for (const id of map.keys()) if (!next.endpoints.has(id)) map.delete(id);
      }
      lineup = next;
      hasSeen = true;
    },
  };
};
