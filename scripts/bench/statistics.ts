/** The middle of some values and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Percentiles of a distribution. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Undefined for no values; of an even number the median is the mean of the middle two. */
export const spread = (values: readonly number[]): Spread | undefined => {
  const sorted = values.toSorted((a, b) => a - b);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  const upper = sorted[Math.floor(sorted.length / 2)];
  const [min] = sorted;
  const max = sorted.at(-1);
  if (lower === undefined || upper === undefined || min === undefined || max === undefined) return undefined;
  return { median: (lower + upper) / 2, min, max };
};

/** Nearest-rank percentiles; undefined for no values. */
export const percentiles = (values: readonly number[]): Percentiles | undefined => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (fraction: number) => sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
  const [p50, p99, max] = [at(0.5), at(0.99), at(1)];
  if (p50 === undefined || p99 === undefined || max === undefined) return undefined;
  return { p50, p99, max };
};
