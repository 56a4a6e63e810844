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

/**
 * Which engines of a pool get no request now, by their place in `able`: those that are ejected, unless that
 * would take too much of the pool away. Panic, with less than half of the pool left, brings back whoever can be
 * reached; more ejections than there may be, which engines with several models or a shrinking pool lead to, have
 * no effect at all.
 */
export const shutOut = (
  able: readonly Standing[],
  poolSize: number,
  panicMode: PanicMode,
): ReadonlySet<number> => {
  const isEjected = ({ state }: Standing): boolean => state === "ejected" || state === "half_open";
  const ejected = able.filter(isEjected).length;
  if (ejected > mostEjected(poolSize)) return new Set();
  const isPanic = panicMode === "route" && 2 * (able.length - ejected) < poolSize;
  const isShut = (standing: Standing): boolean => !standing.isOpen && !(isPanic && standing.isReachable);
  return new Set(able.flatMap((standing, place) => (isShut(standing) ? [place] : [])));
};

/**
 * Which engines one request leaves out, by their place: each in slow start with the probability that its weight
 * leaves, unless nobody else would be left.
 */
export const holdBack = (able: readonly Standing[], random: () => number): ReadonlySet<number> => {
  const held = able.flatMap(({ weight }, place) => (weight < 1 && random() >= weight ? [place] : []));
  return new Set(held.length < able.length ? held : []);
};
