import { closingLine, parseTestTotals } from "./test-totals.ts";

/** A command whose exit status tells whether the step passed. */
export interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

/** How a command ended. */
export interface Outcome {
  readonly exitCode: number;
  /** Everything that it printed. */
  readonly output: string;
}

/** What a check is lent. */
export interface CheckDeps {
  readonly run: (command: readonly string[]) => Promise<Outcome>;
  readonly monotonic: () => number;
  readonly print: (line: string) => void;
}

/**
 * Runs the steps in turn, then the tests, and tells whether all is well; it is not when no test ran.
 *
 * Prints a line for each step, everything that a failing one printed, and the tests' totals as the last line.
 */
export const check = async (
  steps: readonly Step[],
  testCommand: readonly string[],
  { run, monotonic, print }: CheckDeps,
): Promise<boolean> => {
  const runStep = async ({ name, command }: Step): Promise<Outcome> => {
    const startedAt = monotonic();
    const outcome = await run(command);
    const took = `${((monotonic() - startedAt) / 1000).toFixed(1)} s`;
    print(`${name.padEnd(8)}${took.padStart(8)}${outcome.exitCode === 0 ? "" : "  FAILED"}`);
    return outcome;
  };
  const explain = ({ exitCode, output }: Outcome, command: readonly string[]): void => {
    print(`\n${output.trimEnd()}\n\n${command.join(" ")}: exit status ${exitCode}`);
  };

  for (const step of steps) {
    const outcome = await runStep(step);
    if (outcome.exitCode !== 0) {
      explain(outcome, step.command);
      return false;
    }
  }

  const outcome = await runStep({ name: "tests", command: testCommand });
  const totals = parseTestTotals(outcome.output);
  const isGood = outcome.exitCode === 0 && totals !== undefined && totals.failed === 0 && totals.passed > 0;
  if (!isGood) explain(outcome, testCommand);
  // Hooks of a skipped group are listed too, without a name.
  else for (const line of outcome.output.match(/^\((?:skip|todo)\) .*(?<!\(unnamed\))$/gm) ?? []) print(line);
  if (totals === undefined) print("The tests ended without totals.");
  else print(closingLine(totals));
  return isGood;
};
