const BUCKETS = 60;

/** Counts events over the last `windowMs` with a resolution of a sixtieth of it. Times are monotonic ms. */
export interface Window {
  readonly add: (now: number) => void;
  readonly count: (now: number) => number;
}

/** Fixed memory, O(1) for `add` whatever the rate. */
export const createWindow = (windowMs: number): Window => {
  const bucketMs = windowMs / BUCKETS;
  const counts = new Uint32Array(BUCKETS);
  let newest = 0;
  let total = 0;

  const advance = (now: number): void => {
    const current = Math.floor(now / bucketMs);
    if (current <= newest) return;
    const steps = Math.min(current - newest, BUCKETS);
    for (let step = 1; step <= steps; step += 1) {
      const slot = (current - steps + step) % BUCKETS;
      total -= counts[slot] ?? 0;
      counts[slot] = 0;
    }
    newest = current;
  };

  return {
    add: (now) => {
      advance(now);
      const slot = newest % BUCKETS;
      counts[slot] = (counts[slot] ?? 0) + 1;
      total += 1;
    },
    count: (now) => {
      advance(now);
      return total;
    },
  };
};
