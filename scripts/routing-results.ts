import type { Measures } from "../src/simulate/measures.ts";
import { spreadOf } from "../src/simulate/report.ts";
import { type Cell, evenCells, type Figure, meanOf, standingIn } from "./routing-standing.ts";

interface About {
  /** Names of the router's own policies. */
  readonly ours: readonly string[];
  readonly requests: number;
  readonly seeds: readonly number[];
}

const number = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

const percent = (value: number): string => (100 * value).toFixed(1);

const withSpread = (runs: readonly Measures[], of: Figure, write: (value: number) => string): string => {
  const { mean: middle, deviation } = spreadOf(runs, of);
  return runs.length < 2 ? write(middle) : `${write(middle)} ± ${write(deviation)}`;
};

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(row)].join("\n");

const ttftMean: Figure = ({ ttftMeanMs }) => ttftMeanMs;
const ttftP90: Figure = ({ ttftP90Ms }) => ttftP90Ms;

const summaryRow = (cells: readonly Cell[], policy: string, isOurs: boolean): readonly string[] => {
  const means = cells.map((cell) => standingIn(cell, policy, ttftMean));
  const p90s = cells.map((cell) => standingIn(cell, policy, ttftP90));
  const share = (standings: typeof means, holds: (standing: (typeof means)[number]) => boolean): string =>
    `${Math.round((100 * standings.filter(holds).length) / cells.length)} %`;
  const ratios = means.map(({ ratio }) => ratio);
  const geometric = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return [
    isOurs ? `**${policy}**` : policy,
    share(means, ({ ratio }) => ratio <= 1),
    share(p90s, ({ ratio }) => ratio <= 1),
    share(means, ({ isTie }) => isTie),
    share(p90s, ({ isTie }) => isTie),
    share(means, ({ ratio }) => ratio <= 1.1),
    `${number(geometric)} x`,
    `${number(Math.max(...ratios))} x`,
  ];
};

/** The cells in which a policy is told apart from the best one, for sentences. */
const lostCells = (cells: readonly Cell[], policy: string, of: Figure): string =>
  cells
    .flatMap((cell) => {
      const { ratio, isTie } = standingIn(cell, policy, of);
      return isTie ? [] : [`${titleOf(cell)} (${ratio.toFixed(2)} x)`];
    })
    .join("; ") || "none";

const titleOf = ({ workload, rate, fleet, faults }: Cell): string =>
  `${workload}, rate ${rate}, engines ${fleet}${faults === "" ? "" : `, ${faults}`}`;

const describeCell = ({ policies }: Cell): string =>
  table(
    ["policy", "TTFT mean", "p90", "p99", "token mean", "goodput %", "hits %", "imbalance"],
    policies.map(({ policy, runs }) => [
      policy,
      withSpread(runs, ttftMean, number),
      withSpread(runs, ttftP90, number),
      withSpread(runs, ({ ttftP99Ms }) => ttftP99Ms, number),
      withSpread(runs, ({ interTokenMeanMs }) => interTokenMeanMs, number),
      withSpread(runs, ({ goodput }) => goodput, percent),
      withSpread(runs, ({ hitRate }) => hitRate, percent),
      withSpread(
        runs,
        ({ imbalance }) => imbalance,
        (value) => value.toFixed(2),
      ),
    ]),
  );

/** The policy that the page is about. */
const FLAGSHIP = "cacheaware";

/** The results as Markdown: how often each policy is the best, and every cell by itself. */
export const describeCells = (cells: readonly Cell[], { ours, requests, seeds }: About): string => {
  const names = cells[0]?.policies.map(({ policy }) => policy) ?? [];
  const summary = table(
    [
      "policy",
      "lowest mean",
      "lowest p90",
      "best mean",
      "best p90",
      "mean within 1.1 x",
      "mean ratio",
      "worst ratio",
    ],
    names.map((policy) => summaryRow(cells, policy, ours.includes(policy))),
  );
  const maximum = ({ policies }: Cell): string =>
    percent(meanOf(policies[0]?.runs ?? [], ({ hitRateMaximum }) => hitRateMaximum));
  const { possible, reached } = evenCells(cells, FLAGSHIP);
  return [
    `${cells.length} cells of ${requests} requests, seeds ${seeds.join(", ")}; what is tuned was tuned on others, from 1 on. Times are those to the first token. *Lowest* is the lowest figure of all policies but the oracle, however close others are. *Best* also counts what cannot be told from it: what is not worse by more than 1 %, or by more than twice the standard error of the difference over the seeds. With few seeds that is generous, so both are given. Ratios are to the best policy of the cell. Policies of the router are bold.`,
    summary,
    `${FLAGSHIP} is told apart from the best mean in: ${lostCells(cells, FLAGSHIP, ttftMean)}. From the best p90 in: ${lostCells(cells, FLAGSHIP, ttftP90)}.`,
    `In ${possible} cells the oracle keeps all engines within 1.1 times the mean busy time; in ${reached} of them ${FLAGSHIP} does so as well, with at least 90 % of the oracle's hits.`,
    ...cells.map(
      (cell) =>
        `### ${titleOf(cell)}\n\nAt most ${maximum(cell)} % of the prompt tokens can be found in a cache. Times in milliseconds, ± the standard deviation over the seeds.\n\n${describeCell(cell)}`,
    ),
  ].join("\n\n");
};
