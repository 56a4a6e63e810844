import type { Measures } from "../src/simulate/measures.ts";
import { type PolicyRuns, spreadOf } from "../src/simulate/report.ts";

/** Every policy on one workload, at one load, on one fleet. */
export interface Cell {
  readonly workload: string;
  readonly rate: number;
  readonly fleet: string;
  readonly policies: readonly PolicyRuns[];
}

interface About {
  /** Names of the router's own policies. */
  readonly ours: readonly string[];
  readonly requests: number;
  readonly seeds: number;
}

type Figure = (measures: Measures) => number;

const mean = (runs: readonly Measures[], of: Figure): number => spreadOf(runs, of).mean;

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

/** Policies that can be had: perfect knowledge cannot. */
const isReal = ({ policy }: PolicyRuns): boolean => policy !== "oracle";

/** How many times as long as with the best policy of the cell. */
const ratioIn = ({ policies }: Cell, policy: string, of: Figure): number => {
  const best = Math.min(...policies.filter(isReal).map(({ runs }) => mean(runs, of)));
  const own = policies.find((each) => each.policy === policy);
  return own ? mean(own.runs, of) / best : Number.NaN;
};

/** As good as the best: what lies within 1 % is told apart by chance. */
const TIE = 1.01;

const summaryRow = (cells: readonly Cell[], policy: string, isOurs: boolean): readonly string[] => {
  const share = (of: Figure, limit: number): string => {
    const within = cells.filter((cell) => ratioIn(cell, policy, of) <= limit).length;
    return `${Math.round((100 * within) / cells.length)} %`;
  };
  const ratios = cells.map((cell) => ratioIn(cell, policy, ttftMean));
  const geometric = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return [
    isOurs ? `**${policy}**` : policy,
    share(ttftMean, TIE),
    share(ttftP90, TIE),
    share(ttftMean, 1.1),
    `${number(geometric)} x`,
    `${number(Math.max(...ratios))} x`,
  ];
};

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

/** The results as Markdown: how often each policy is the best, and every cell by itself. */
export const describeCells = (cells: readonly Cell[], { ours, requests, seeds }: About): string => {
  const names = cells[0]?.policies.map(({ policy }) => policy) ?? [];
  const summary = table(
    ["policy", "best mean", "best p90", "mean within 1.1 x", "mean ratio", "worst ratio"],
    names.map((policy) => summaryRow(cells, policy, ours.includes(policy))),
  );
  const maximum = ({ policies }: Cell): string =>
    percent(mean(policies[0]?.runs ?? [], ({ hitRateMaximum }) => hitRateMaximum));
  return [
    `${cells.length} cells of ${requests} requests, ${seeds} seeds each. Ratios are of the mean time to the first token to that of the best policy in the cell, the oracle left out; best is what lies within 1 % of it. Policies of the router are bold.`,
    summary,
    ...cells.map(
      (cell) =>
        `### ${cell.workload}, rate ${cell.rate}, engines ${cell.fleet}\n\nAt most ${maximum(cell)} % of the prompt tokens can be found in a cache. Times in milliseconds, ± the standard deviation over the seeds.\n\n${describeCell(cell)}`,
    ),
  ].join("\n\n");
};
