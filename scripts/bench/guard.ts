import { FLOOR, ROUTER } from "./contenders.ts";
import type { Results } from "./report.ts";

/** What a guard says of a workload. */
export interface Judgement {
  readonly line: string;
  readonly isGood: boolean;
}

/**
 * Holds the router's CPU time per request against that of the bare relay, workload by workload, at the fixed rate:
 * what a closed loop spares by taking many requests at once depends on what else the machine does. What was not
 * measured is not good.
 */
export const judgeRatios = ({ workloads }: Results, most: number): readonly Judgement[] =>
  workloads.map(({ name, rows }) => {
    const row = rows.find(({ contender }) => contender === ROUTER);
    const ratio = row?.steady.cpu?.toFloor;
    const isGood = ratio !== undefined && row?.errors === 0 && ratio.median <= most;
    const rounds = ratio && `${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}]`;
    const figure = `CPU time per request ${rounds ?? "unknown"} x ${FLOOR}, at most ${most}`;
    return { line: `${isGood ? "ok" : "FAILED"}  ${name}: ${figure}`, isGood };
  });
