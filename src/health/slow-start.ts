/** The share of its requests that an engine begins with, or gets while it has no room. */
export const LEAST_WEIGHT = 0.1;

/** The share of its requests, up to 1, that an engine gets so long after it came: it grows with the time. */
export const slowStartWeight = (sinceMs: number, durationMs: number): number =>
  sinceMs >= durationMs ? 1 : LEAST_WEIGHT + ((1 - LEAST_WEIGHT) * sinceMs) / durationMs;
