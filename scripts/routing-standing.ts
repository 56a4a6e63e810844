import type { Measures } from "../src/simulate/measures.ts";
import { type PolicyRuns, spreadOf } from "../src/simulate/report.ts";

/** Every policy on one workload, at one load, on one fleet. */
export interface Cell {
  readonly workload: string;
  readonly rate: number;
  readonly fleet: string;
  /** What befalls the fleet, as `--faults` of `vllm-router simulate` says it; empty for nothing. */
  readonly faults: string;
  readonly policies: readonly PolicyRuns[];
}

/** A figure of a run. */
export type Figure = (measures: Measures) => number;

/** A figure of some runs, in the mean. */
export const meanOf = (runs: readonly Measures[], of: Figure): number => spreadOf(runs, of).mean;

/** How a policy stands to the best one of a cell. */
export interface Standing {
  /** How many times as much as the best one has; 1 for the best itself. */
  readonly ratio: number;
  /** Whether the two can be told apart. */
  readonly isTie: boolean;
}

/** What is less than this share of the best one's figure makes no difference. */
const INDIFFERENCE = 0.01;
/** Standard errors that a difference has to exceed. */
const CERTAINTY = 2;

/** Policies that can be had: perfect knowledge cannot. */
const isReal = ({ policy }: PolicyRuns): boolean => policy !== "oracle";

/**
 * Compares a policy with the best that can be had, where less is better. The runs are compared seed by seed, since a
 * hard seed is hard for all: they are a tie unless their difference exceeds twice its standard error over the seeds.
 */
export const standingIn = ({ policies }: Cell, policy: string, of: Figure): Standing => {
  const own = policies.find((each) => each.policy === policy);
  const rivals = policies.filter(isReal);
  const [best] = rivals.toSorted((left, right) => meanOf(left.runs, of) - meanOf(right.runs, of));
  if (!own || !best) return { ratio: Number.NaN, isTie: false };
  const least = meanOf(best.runs, of);
  const differences = own.runs.map((run, seed) => of(run) - of(best.runs[seed] ?? run));
  const more = differences.reduce((sum, each) => sum + each, 0) / Math.max(1, differences.length);
  const squares = differences.reduce((sum, each) => sum + (each - more) ** 2, 0);
  const error = Math.sqrt(squares / Math.max(1, differences.length - 1) / Math.max(1, differences.length));
  return {
    ratio: meanOf(own.runs, of) / least,
    isTie: more <= Math.max(INDIFFERENCE * least, CERTAINTY * error),
  };
};

/** Imbalance up to which a fleet is even, and the share of the oracle's hits that a policy should reach then. */
const EVEN = 1.1;
const HITS_SHARE = 0.9;

/** How often the oracle keeps a fleet even, and how often a policy does so too with nearly as many hits. */
export const evenCells = (
  cells: readonly Cell[],
  policy: string,
): { readonly possible: number; readonly reached: number } => {
  const runsOf = (cell: Cell, name: string): readonly Measures[] =>
    cell.policies.find((each) => each.policy === name)?.runs ?? [];
  const imbalance = (runs: readonly Measures[]): number => meanOf(runs, (run) => run.imbalance);
  const hits = (runs: readonly Measures[]): number => meanOf(runs, (run) => run.hitRate);
  const possible = cells.filter((cell) => imbalance(runsOf(cell, "oracle")) <= EVEN);
  const reached = possible.filter((cell) => {
    const own = runsOf(cell, policy);
    return imbalance(own) <= EVEN && hits(own) >= HITS_SHARE * hits(runsOf(cell, "oracle"));
  });
  return { possible: possible.length, reached: reached.length };
};
