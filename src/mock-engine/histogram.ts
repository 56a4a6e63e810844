/** A Prometheus histogram. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly observe: (value: number) => void;
  /** Observations at or below each bound, then all of them. */
  readonly cumulative: () => readonly number[];
  readonly sum: () => number;
}

/** An empty histogram with the given upper bounds, in ascending order. */
export const createHistogram = (bounds: readonly number[]): Histogram => {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  let sum = 0;
  return {
    bounds,
    observe: (value) => {
      sum += value;
      let index = 0;
      while (index < bounds.length && value > (bounds[index] ?? Infinity)) index += 1;
      counts[index] = (counts[index] ?? 0) + 1;
    },
    cumulative: () => {
      let total = 0;
      return counts.map((count) => (total += count));
    },
    sum: () => sum,
  };
};
