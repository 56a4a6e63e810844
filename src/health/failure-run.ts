import { createCells, type EngineCells } from "../core/engine-cells.ts";

/** How many failures came in a row, over requests that overlap. */
export interface FailureRun {
  /** An answer has begun, which interrupts the row unless the answer breaks off; its mark is for `failed`. */
  readonly answered: () => number;
  /**
   * A failure, with the mark of the answer that broke off where one had begun. True when so many came in a row:
   * since the first of them no answer has begun that did not fail.
   */
  readonly failed: (mark?: number) => boolean;
}

/** Where a run is kept that several threads see: only one at a time calls `failed`. */
export interface RunPlace {
  /** How many failures there were. */
  readonly failures: Float64Array;
  /** The answers of each thread, from `base` on. */
  readonly rows: EngineCells;
  readonly base: number;
  /** Whether what another thread has there is of this run. */
  readonly isCounted: (row: Float64Array) => boolean;
}

/** Numbers of a run in a row. */
export const runCells = (threshold: number): number => 2 * threshold;

const ownPlace = (threshold: number): RunPlace => ({
  failures: new Float64Array(1),
  rows: createCells(runCells(threshold)),
  base: 0,
  isCounted: () => true,
});

/** Looks for `threshold` failures in a row; fixed memory. */
export const createFailureRun = (threshold: number, place = ownPlace(threshold)): FailureRun => {
  const { failures, rows, base, isCounted } = place;
  const { own, others } = rows;

  // A ring: answers that stand, by the failures before them, with the ring's round. What began before the last
  // `threshold` interrupts nothing.
  const slotOf = (mark: number): number => base + 2 * ((mark | 0) % threshold);

  const isInterrupted = (row: Float64Array, count: number): boolean => {
    for (let slot = base; slot < base + 2 * threshold; slot += 2) {
      if ((row[slot] ?? 0) > count - threshold + 1 && (row[slot + 1] ?? 0) > 0) return true;
    }
    return false;
  };

  return {
    answered: () => {
      const mark = failures[0] ?? 0;
      const slot = slotOf(mark);
      if (own[slot] !== mark + 1) {
        own[slot] = mark + 1;
        own[slot + 1] = 0;
      }
      own[slot + 1] = (own[slot + 1] ?? 0) + 1;
      return mark;
    },
    failed: (mark) => {
      const slot = mark === undefined ? undefined : slotOf(mark);
      if (mark !== undefined && slot !== undefined && own[slot] === mark + 1) {
        own[slot + 1] = (own[slot + 1] ?? 0) - 1;
      }
      const count = (failures[0] ?? 0) + 1;
      failures[0] = count;
      return (
        count >= threshold &&
        !isInterrupted(own, count) &&
        others.every((row) => !isCounted(row) || !isInterrupted(row, count))
      );
    },
  };
};
