import { createCells, type EngineCells } from "../core/engine-cells.ts";
import { createWindow, type Window, WINDOW_CELLS } from "../core/window.ts";
import { createFailureRun, type FailureRun, runCells } from "./failure-run.ts";

/** What requests said of an engine since it was judged last. */
export interface Evidence {
  readonly run: FailureRun;
  readonly begun: Window;
  readonly failures: Window;
}

/** By what an engine is judged: the era that the numbers of a thread are of, and these. */
const ERA = 0;
const BEGUN = 1;
const FAILED = BEGUN + WINDOW_CELLS;
const RUN = FAILED + WINDOW_CELLS;

/** Numbers of the evidence that a thread has. */
export const evidenceCells = (failureThreshold: number): number => RUN + runCells(failureThreshold);

interface EvidenceOptions {
  readonly failureThreshold: number;
  readonly windowMs: number;
}

interface EvidenceDeps {
  /** Of the judgement; evidence of another era is forgotten, by each thread for itself. */
  readonly era: () => number;
  /** How many failures of a run there were. */
  readonly failures: Float64Array;
  /** Asked for with the first request. */
  readonly rows?: (() => EngineCells) | undefined;
}

/** Gives the evidence of this era, of all threads. */
export const createEvidence = (
  { failureThreshold, windowMs }: EvidenceOptions,
  { era, failures, rows = () => createCells(evidenceCells(failureThreshold)) }: EvidenceDeps,
): (() => Evidence) => {
  let cells: EngineCells | undefined;
  let evidence: Evidence | undefined;

  // An era is stored as one more, for 0 is of none.
  const isCounted = (row: Float64Array): boolean => row[ERA] === era() + 1;

  return () => {
    cells ??= rows();
    const { own } = cells;
    if (!isCounted(own)) {
      own.fill(0);
      own[ERA] = era() + 1;
      evidence = undefined;
    }
    evidence ??= {
      run: createFailureRun(failureThreshold, { failures, rows: cells, base: RUN, isCounted }),
      begun: createWindow(windowMs, cells, BEGUN, isCounted),
      failures: createWindow(windowMs, cells, FAILED, isCounted),
    };
    return evidence;
  };
};
