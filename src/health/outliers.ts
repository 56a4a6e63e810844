import type { Endpoint } from "../core/endpoint.ts";
import type { BreakerOptions } from "./breaker.ts";
import { type Court, createCourt, UNREACHABLE } from "./court.ts";
import { busyUntil, createJudgedEngines, type Judged, slowSince } from "./judged-engines.ts";
import { mostEjected, type Standing } from "./pool.ts";
import { LEAST_WEIGHT, slowStartWeight } from "./slow-start.ts";
import { createTrials, type Trials, type TrialsDeps } from "./trials.ts";

/** How engines are judged by the requests that they get. */
export interface OutlierOptions {
  /** Absent where no engine is ejected. */
  readonly breaker?: BreakerOptions | undefined;
  /** Time over which an engine that came or came back gets its full share; 0 for at once. */
  readonly slowStartMs: number;
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
  readonly begin: Trials["begin"];
  /** A probe over a fresh connection was answered: whoever could not be reached may be tried again. */
  readonly reached: (endpointId: string) => void;
  /** Monotonic milliseconds at which an engine that is in was let in again; absent where it was never out. */
  readonly returnedAt: (endpointId: string) => number | undefined;
  /** Told of every change. */
  readonly see: (lineup: Lineup) => void;
}

interface OutlierDeps extends Pick<TrialsDeps, "clock" | "log" | "healthChangedAt" | "onEjected"> {
  /** From 0, below 1. */
  readonly random: () => number;
  /** Where other threads judge as well; this thread's own where absent. */
  readonly court?: Court | undefined;
}

const full: Standing = { state: "serving", weight: 1, isOpen: true, isReachable: true };

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

  const judging = { engines, court, slowDown, hasRoom, clock, log, healthChangedAt, onEjected };
  const trials = createTrials(breakerOptions, judging);

  return {
    isQuiet: () => engines.unusual().length === 0,
    unusual: engines.unusual,
    standingOf: (id) => {
      const judged = engines.get(id);
      if (!judged) return full;
      trials.settle(judged);
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
    begin: trials.begin,
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
