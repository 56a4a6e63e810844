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

/** Looks for `threshold` failures in a row; fixed memory. */
export const createFailureRun = (threshold: number): FailureRun => {
  let failures = 0;
  // A ring: answers that stand, by the failures before them. What began before the last `threshold` interrupts nothing.
  const standing = new Uint32Array(threshold);

  const move = (mark: number, by: 1 | -1): void => {
    const slot = mark % threshold;
    standing[slot] = (standing[slot] ?? 0) + by;
  };

  return {
    answered: () => {
      move(failures, 1);
      return failures;
    },
    failed: (mark) => {
      if (mark !== undefined && mark > failures - threshold) move(mark, -1);
      failures += 1;
      standing[failures % threshold] = 0;
      return failures >= threshold && standing.every((answers) => answers === 0);
    },
  };
};
