/** What `bun test` counted. */
export interface TestTotals {
  readonly passed: number;
  /** Failed tests, or errors outside of tests where those are more. */
  readonly failed: number;
  /** Skipped tests and those that are still to be written. */
  readonly skipped: number;
}

/** Reads the totals at the end of what `bun test` prints; `undefined` when it ended without any. */
export const parseTestTotals = (output: string): TestTotals | undefined => {
  const lines = output.trimEnd().split("\n");
  if (!/^Ran \d+ tests? across \d+ files?\./.test(lines.at(-1) ?? "")) return undefined;
  const summary = lines.slice(lines.lastIndexOf("") + 1);
  const count = (word: string): number => {
    const line = summary.find((candidate) => new RegExp(`^ *\\d+ ${word}s?$`).test(candidate));
    return Number.parseInt(line ?? "0", 10);
  };
  return {
    passed: count("pass"),
    failed: Math.max(count("fail"), count("error")),
    skipped: count("skip") + count("todo"),
  };
};

/** The closing line of a test run, such as `12 passed, 0 failed, 1 skipped`. */
export const closingLine = ({ passed, failed, skipped }: TestTotals): string =>
  `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
