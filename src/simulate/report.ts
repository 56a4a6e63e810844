import { type Column, renderTable } from "../core/text-table.ts";
import type { Measures } from "./measures.ts";

/** The runs of one policy, one for each seed. */
export interface PolicyRuns {
  readonly policy: string;
  readonly runs: readonly Measures[];
}

/** The mean of some runs, and how far they lie apart: the standard deviation of the sample, 0 for a single run. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** Sums up one figure over runs. */
export const spreadOf = (runs: readonly Measures[], of: (measures: Measures) => number): Spread => {
  const values = runs.map(of);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
};

const round = (value: number): string => {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
};

const percent = (value: number): string => (100 * value).toFixed(1);

/** A figure as people read it: three digits, and behind them how far the seeds lie apart. */
const describe = ({ mean, deviation }: Spread, write: (value: number) => string): string =>
  deviation === 0 ? write(mean) : `${write(mean)} ±${write(deviation)}`;

interface Figure {
  readonly title: string;
  readonly of: (measures: Measures) => number;
  readonly write?: (value: number) => string;
}

const latencies: readonly Figure[] = [
  { title: "TTFT mean", of: ({ ttftMeanMs }) => ttftMeanMs },
  { title: "p50", of: ({ ttftP50Ms }) => ttftP50Ms },
  { title: "p90", of: ({ ttftP90Ms }) => ttftP90Ms },
  { title: "p99", of: ({ ttftP99Ms }) => ttftP99Ms },
  { title: "token mean", of: ({ interTokenMeanMs }) => interTokenMeanMs },
  { title: "p99", of: ({ interTokenP99Ms }) => interTokenP99Ms },
  { title: "whole mean", of: ({ endToEndMeanMs }) => endToEndMeanMs },
  { title: "p99", of: ({ endToEndP99Ms }) => endToEndP99Ms },
];

const resources: readonly Figure[] = [
  { title: "goodput %", of: ({ goodput }) => goodput, write: percent },
  { title: "hits %", of: ({ hitRate }) => hitRate, write: percent },
  { title: "of at most", of: ({ hitRateMaximum }) => hitRateMaximum, write: percent },
  { title: "imbalance", of: ({ imbalance }) => imbalance, write: (value) => value.toFixed(2) },
  { title: "tokens/s", of: ({ outputTokensPerSecond }) => outputTokensPerSecond },
  { title: "preempted", of: ({ preemptions }) => preemptions },
  { title: "failed", of: ({ failed, refused }) => failed + refused },
  { title: "us/choice", of: ({ decisionMicroseconds }) => decisionMicroseconds },
];

const table = (figures: readonly Figure[], policies: readonly PolicyRuns[], columns: number): string => {
  const heads: readonly Column[] = figures.map(({ title }) => ({ title, align: "right" }));
  const rows = policies.map(({ policy, runs }) => [
    policy,
    ...figures.map(({ of, write = round }) => describe(spreadOf(runs, of), write)),
  ]);
  return renderTable({ columns: [{ title: "policy" }, ...heads], rows }, columns).join("\n");
};

/** What a person reads: latencies in milliseconds, and what they were bought with. */
export const describeRuns = (policies: readonly PolicyRuns[], columns: number): string =>
  `${table(latencies, policies, columns)}\n\n${table(resources, policies, columns)}\n`;
