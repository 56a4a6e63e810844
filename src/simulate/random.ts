/** Numbers from 0, below 1. */
export type Random = () => number;

/** A 32-bit hash of some integers, each up to 53 bits. */
const scramble = (...words: readonly number[]): number => {
  let state = 0x9e3779b9;
  for (const word of words) {
    for (const half of [word | 0, (word / 2 ** 32) | 0]) {
      state = Math.imul(state ^ half, 0x85ebca6b);
      state = Math.imul(state ^ (state >>> 15), 0xc2b2ae35);
      state ^= state >>> 13;
    }
  }
  return state >>> 0;
};

/** The numbers that belong to a seed: one that is cut into parts draws from several without their mixing. */
export const createRandom = (...seed: readonly number[]): Random => {
  // mulberry32 (Tommy Ettinger, public domain): small, and even enough for workloads.
  let state = scramble(...seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** A whole number between two bounds, both possible and all equally likely. */
export const between = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));

/** A time until the next event of a Poisson process whose mean interval is given. */
export const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

/** Draws 0 to `count - 1`, the k-th in proportion to 1 / (k + 1) ^ `exponent`. */
export const createZipf = (count: number, exponent: number): ((random: Random) => number) => {
  const cumulative = new Float64Array(count);
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    total += (index + 1) ** -exponent;
    cumulative[index] = total;
  }
  return (random) => {
    const wanted = random() * total;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] ?? 0) <= wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};
