import { createCells, type EngineCells } from "./engine-cells.ts";

const BUCKETS = 60;

const NEWEST = 0;
const TOTAL = 1;
const COUNTS = 2;
const SUMS = COUNTS + BUCKETS;

/** Numbers that a window is made of. */
export const WINDOW_CELLS = SUMS + BUCKETS;

/** Events and the sum of their values over the last `windowMs`, to a sixtieth of it. Times are monotonic ms. */
export interface Window {
  /** An event, with a value where a mean is wanted. */
  readonly add: (now: number, value?: number) => void;
  /** Undoes an event without a value that was added at the time given; one that the window forgot stays so. */
  readonly takeBack: (at: number, now: number) => void;
  /** Events of all threads that share the window. */
  readonly count: (now: number) => number;
  /** Absent where nothing happened in the window. */
  readonly mean: (now: number) => number | undefined;
}

/**
 * Fixed memory, O(1) for `add` whatever the rate. Its numbers are among those of an engine from `base` on; rows of
 * other threads count as long as `isCounted`.
 */
export const createWindow = (
  windowMs: number,
  { own, others }: EngineCells = createCells(WINDOW_CELLS),
  base = 0,
  isCounted: (row: Float64Array) => boolean = () => true,
): Window => {
  const bucketMs = windowMs / BUCKETS;
  const counts = base + COUNTS;
  const sums = base + SUMS;
  // Who had the row before left them there; whole numbers are faster than numbers that happen to be whole.
  let newest = Math.floor(own[base + NEWEST] ?? 0);
  let total = Math.floor(own[base + TOTAL] ?? 0);

  const advance = (now: number): void => {
    const current = Math.floor(now / bucketMs);
    if (current <= newest) return;
    const steps = Math.min(current - newest, BUCKETS);
    for (let step = 1; step <= steps; step += 1) {
      const slot = (current - steps + step) % BUCKETS;
      total -= own[counts + slot] ?? 0;
      own[counts + slot] = 0;
      own[sums + slot] = 0;
    }
    newest = current;
    own[base + NEWEST] = newest;
    own[base + TOTAL] = total;
  };

  /** Buckets of another thread that are of this time: it moves on only when it counts. */
  const reach = (row: Float64Array, now: number): { readonly from: number; readonly to: number } => {
    const to = row[base + NEWEST] ?? 0;
    return { from: Math.max(Math.floor(now / bucketMs), to) - BUCKETS + 1, to };
  };

  const countOf = (row: Float64Array, now: number): number => {
    const { from, to } = reach(row, now);
    if (from > to) return 0;
    let count = row[base + TOTAL] ?? 0;
    for (let bucket = to - BUCKETS + 1; bucket < from; bucket += 1) {
      if (bucket >= 0) count -= row[counts + (bucket % BUCKETS)] ?? 0;
    }
    return count;
  };

  const sumOf = (row: Float64Array, now: number): number => {
    const { from, to } = reach(row, now);
    let sum = 0;
    for (let bucket = Math.max(0, from); bucket <= to; bucket += 1) {
      sum += row[sums + (bucket % BUCKETS)] ?? 0;
    }
    return sum;
  };

  const count = (now: number): number => {
    advance(now);
    let all = total;
    for (const row of others) if (isCounted(row)) all += countOf(row, now);
    return all;
  };

  return {
    add: (now, value = 0) => {
      advance(now);
      const slot = newest % BUCKETS;
      own[counts + slot] = (own[counts + slot] ?? 0) + 1;
      own[sums + slot] = (own[sums + slot] ?? 0) + value;
      total += 1;
      own[base + TOTAL] = total;
    },
    takeBack: (at, now) => {
      advance(now);
      const bucket = Math.floor(at / bucketMs);
      const slot = counts + (bucket % BUCKETS);
      const events = own[slot] ?? 0;
      if (bucket <= newest - BUCKETS || events === 0) return;
      own[slot] = events - 1;
      total -= 1;
      own[base + TOTAL] = total;
    },
    count,
    mean: (now) => {
      const events = count(now);
      if (events === 0) return undefined;
      // Summed anew: a running sum of fractions would drift away from what is in the window.
      let sum = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket += 1) sum += own[sums + bucket] ?? 0;
      for (const row of others) if (isCounted(row)) sum += sumOf(row, now);
      return sum / events;
    },
  };
};
