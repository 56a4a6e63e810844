const BUCKETS = 60;

/** Events and the sum of their values over the last `windowMs`, to a sixtieth of it. Times are monotonic ms. */
export interface Window {
  /** An event, with a value where a mean is wanted. */
  readonly add: (now: number, value?: number) => void;
  /** Undoes an event without a value that was added at the time given; one that the window forgot stays so. */
  readonly takeBack: (at: number, now: number) => void;
  readonly count: (now: number) => number;
  /** Absent where nothing happened in the window. */
  readonly mean: (now: number) => number | undefined;
}

/** Fixed memory, O(1) for `add` whatever the rate. */
export const createWindow = (windowMs: number): Window => {
  const bucketMs = windowMs / BUCKETS;
  const counts = new Uint32Array(BUCKETS);
  const sums = new Float64Array(BUCKETS);
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
      sums[slot] = 0;
    }
    newest = current;
  };

  return {
    add: (now, value = 0) => {
      advance(now);
      const slot = newest % BUCKETS;
      counts[slot] = (counts[slot] ?? 0) + 1;
      sums[slot] = (sums[slot] ?? 0) + value;
      total += 1;
    },
    takeBack: (at, now) => {
      advance(now);
      const bucket = Math.floor(at / bucketMs);
      const slot = bucket % BUCKETS;
      const count = counts[slot] ?? 0;
      if (bucket <= newest - BUCKETS || count === 0) return;
      counts[slot] = count - 1;
      total -= 1;
    },
    count: (now) => {
      advance(now);
      return total;
    },
    mean: (now) => {
      advance(now);
      if (total === 0) return undefined;
      // Summed anew: a running sum of fractions would drift away from what is in the window.
      return sums.reduce((sum, value) => sum + value, 0) / total;
    },
  };
};
