/** The share of its requests that an engine begins with. */
const LEAST = 0.1;

/** The share of its requests, up to 1, that an engine gets so long after it came: it grows with the time. */
export const slowStartWeight = (sinceMs: number, durationMs: number): number =>
  sinceMs >= durationMs ? 1 : LEAST + ((1 - LEAST) * sinceMs) / durationMs;
