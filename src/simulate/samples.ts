/** Values of one kind, to be summed up at the end. */
export interface Samples {
  readonly add: (value: number) => void;
  readonly count: () => number;
  /** 0 where there is none. */
  readonly mean: () => number;
  /** Nearest rank, for several shares from 0 to 1; 0 where there are no values. */
  readonly quantiles: (...shares: readonly number[]) => readonly number[];
  /** How many are at most so large. */
  readonly countUpTo: (limit: number) => number;
}

/** No values yet; each that comes takes eight bytes. */
export const createSamples = (): Samples => {
  let values = new Float64Array(1024);
  let count = 0;
  let sum = 0;
  return {
    add: (value) => {
      if (count === values.length) {
        const larger = new Float64Array(2 * count);
        larger.set(values);
        values = larger;
      }
      values[count] = value;
      count += 1;
      sum += value;
    },
    count: () => count,
    mean: () => (count === 0 ? 0 : sum / count),
    quantiles: (...shares) => {
      const sorted = values.slice(0, count).sort();
      return shares.map((share) => sorted[Math.max(0, Math.ceil(share * count) - 1)] ?? 0);
    },
    countUpTo: (limit) => values.subarray(0, count).filter((value) => value <= limit).length,
  };
};

/** Values of which there are too many to keep. */
export interface Histogram {
  readonly add: (value: number, count: number) => void;
  /** Exact; 0 where there is none. */
  readonly mean: () => number;
  /** To 1 %. */
  readonly quantile: (share: number) => number;
}

const LEAST = 0.001;
const BASE = Math.log(1.02);

/** Buckets of 2 % from a thousandth on, in whatever unit: a fixed size for any number of values. */
export const createHistogram = (): Histogram => {
  const counts = new Float64Array(2048);
  let sum = 0;
  let total = 0;
  let lastValue = Number.NaN;
  let lastBucket = 0;
  return {
    add: (value, count) => {
      // Most values come in runs: the tokens of one step are all as old.
      if (value !== lastValue) {
        lastValue = value;
        const bucket = value <= LEAST ? 0 : Math.ceil(Math.log(value / LEAST) / BASE);
        lastBucket = Math.min(bucket, counts.length - 1);
      }
      counts[lastBucket] = (counts[lastBucket] ?? 0) + count;
      sum += value * count;
      total += count;
    },
    mean: () => (total === 0 ? 0 : sum / total),
    quantile: (share) => {
      if (total === 0) return 0;
      let left = share * total;
      const bucket = counts.findIndex((count) => (left -= count) <= 0);
      return LEAST * Math.exp(BASE * (Math.max(0, bucket) - 0.5));
    },
  };
};
