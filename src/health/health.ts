/** What one probe says: `dead` where the engine itself reports that it cannot serve. */
export type Verdict = "pass" | "fail" | "dead";

/** How many probes in a row it takes to change one's mind, and for how long it then stays. */
export interface Thresholds {
  /** Failures in a row until what was up is down. */
  readonly fall: number;
  /** Passes in a row until what was down is up. */
  readonly rise: number;
  /** Least time between two changes; only an engine that reports itself dead is down before. */
  readonly holdDownMs: number;
}

/** The health of an engine, or of one model on it. */
export interface Health {
  readonly isUp: boolean;
  /** Probes in a row that spoke against `isUp`. */
  readonly against: number;
  /** Monotonic milliseconds of the last change. */
  readonly changedAt: number;
}

/** What nothing is known of is taken to be well. */
export const presumedWell: Health = { isUp: true, against: 0, changedAt: Number.NEGATIVE_INFINITY };

/** The health after one more probe at `now`, in monotonic milliseconds; the same object where nothing changed. */
export const judge = (
  health: Health,
  verdict: Verdict,
  now: number,
  { fall, rise, holdDownMs }: Thresholds,
): Health => {
  const { isUp, changedAt } = health;
  if ((verdict === "pass") === isUp) return health.against === 0 ? health : { ...health, against: 0 };
  const against = health.against + 1;
  const isEnough = against >= (isUp ? fall : rise) && now - changedAt >= holdDownMs;
  return isEnough || verdict === "dead"
    ? { isUp: !isUp, against: 0, changedAt: now }
    : { isUp, against, changedAt };
};
