import type { EngineState } from "../core/engine-state.ts";

/** How an engine stands that is healthy and awake. */
export type ServiceState = Exclude<EngineState, "unhealthy" | "asleep">;

/** How an engine stands, and what it may get. */
export interface Standing {
  readonly state: ServiceState;
  /** Share of its requests, up to 1. */
  readonly weight: number;
  /** Whether it may have a request: always unless it is ejected, and one at a time while it is half-open. */
  readonly isOpen: boolean;
  /** False where it was ejected because no connection could be made. */
  readonly isReachable: boolean;
}

/** What happens when too few engines of a pool are left: those that are ejected get requests, or none do. */
export type PanicMode = "route" | "fail";

/** Most engines of a pool that may be ejected at once; the only one never is. */
export const mostEjected = (poolSize: number): number =>
  poolSize < 2 ? 0 : Math.max(1, Math.floor(poolSize / 2));

/** Engines that can serve, of which those that are not in full service stand here by their place. */
export interface Able {
  readonly count: number;
  readonly unusual: ReadonlyMap<number, Standing>;
}

const placesOf = ({ unusual }: Able, isMeant: (standing: Standing) => boolean): readonly number[] =>
  [...unusual].flatMap(([place, standing]) => (isMeant(standing) ? [place] : []));

const ejectedIn = (able: Able): number =>
  placesOf(able, ({ state }) => state === "ejected" || state === "half_open").length;

/** Whether less than half of a pool is left. */
export const isPanic = (able: Able, poolSize: number): boolean =>
  2 * (able.count - ejectedIn(able)) < poolSize;

/**
 * The places of engines of a pool that get no request now: those that are ejected, unless that would take too much
 * of the pool away. Panic, with less than half of the pool left, brings back whoever can be reached; more ejections
 * than there may be, which engines with several models or a shrinking pool lead to, have no effect at all.
 */
export const shutOut = (able: Able, poolSize: number, panicMode: PanicMode): readonly number[] => {
  if (ejectedIn(able) > mostEjected(poolSize)) return [];
  const takesAny = panicMode === "route" && isPanic(able, poolSize);
  return placesOf(able, ({ isOpen, isReachable }) => !isOpen && !(takesAny && isReachable));
};

/**
 * The places of engines that one request leaves out: each in slow start with the probability that its weight leaves,
 * unless nobody else would be left.
 */
export const holdBack = (able: Able, random: () => number): readonly number[] => {
  const held = placesOf(able, ({ weight }) => weight < 1 && random() >= weight);
  return held.length < able.count ? held : [];
};
