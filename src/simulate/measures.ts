import { createHistogram, createSamples } from "./samples.ts";
import type { EngineTotals } from "./simulated-engine.ts";

/** What became of a workload under a policy; times in milliseconds of virtual time. */
export interface Measures {
  readonly requests: number;
  readonly finished: number;
  /** Requests without a whole answer: their engine died in its midst, or none was left to ask. */
  readonly failed: number;
  /** Requests that no engine's KV cache could hold. */
  readonly refused: number;
  readonly ttftMeanMs: number;
  readonly ttftP50Ms: number;
  readonly ttftP90Ms: number;
  readonly ttftP99Ms: number;
  readonly interTokenMeanMs: number;
  readonly interTokenP99Ms: number;
  readonly endToEndMeanMs: number;
  readonly endToEndP99Ms: number;
  readonly outputTokensPerSecond: number;
  /** Share of all requests whose first token came within the limit and whose answer came to its end. */
  readonly goodput: number;
  /** Share of prompt tokens that engines found in their caches. */
  readonly hitRate: number;
  /** The same for one cache without limits that all engines share: what no policy can exceed. */
  readonly hitRateMaximum: number;
  /** Busy time of the busiest engine by the mean of all: 1 is even. */
  readonly imbalance: number;
  readonly preemptions: number;
  /** Real microseconds that a decision took, in the mean. */
  readonly decisionMicroseconds: number;
}

/** Takes down what happens in a simulation. */
export interface Meter {
  readonly arrived: (promptTokens: number, reusableTokens: number) => void;
  readonly decided: (milliseconds: number) => void;
  readonly gap: (gapMs: number, count: number) => void;
  readonly finished: (ttftMs: number, endToEndMs: number, outputTokens: number) => void;
  readonly failed: () => void;
  readonly refused: () => void;
  /** Sums up a simulation that took so long. */
  readonly measures: (engines: readonly EngineTotals[], lastedMs: number) => Measures;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** A meter at zero; goodput counts first tokens that come within `ttftLimitMs`. */
export const createMeter = (ttftLimitMs: number): Meter => {
  const ttft = createSamples();
  const endToEnd = createSamples();
  const gaps = createHistogram();
  let requests = 0;
  let promptTokens = 0;
  let reusableTokens = 0;
  let outputTokens = 0;
  let failed = 0;
  let refused = 0;
  let decisions = 0;
  let decisionMs = 0;
  return {
    arrived: (tokens, reusable) => {
      requests += 1;
      promptTokens += tokens;
      reusableTokens += reusable;
    },
    decided: (milliseconds) => {
      decisions += 1;
      decisionMs += milliseconds;
    },
    gap: gaps.add,
    finished: (ttftMs, endToEndMs, tokens) => {
      ttft.add(ttftMs);
      endToEnd.add(endToEndMs);
      outputTokens += tokens;
    },
    failed: () => {
      failed += 1;
    },
    refused: () => {
      refused += 1;
    },
    measures: (engines, lastedMs) => {
      const [ttftP50Ms = 0, ttftP90Ms = 0, ttftP99Ms = 0] = ttft.quantiles(0.5, 0.9, 0.99);
      const [endToEndP99Ms = 0] = endToEnd.quantiles(0.99);
      const sum = (of: (totals: EngineTotals) => number): number =>
        engines.reduce((total, totals) => total + of(totals), 0);
      const busiest = engines.reduce((most, { busyMs }) => Math.max(most, busyMs), 0);
      return {
        requests,
        finished: ttft.count(),
        failed,
        refused,
        ttftMeanMs: ttft.mean(),
        ttftP50Ms,
        ttftP90Ms,
        ttftP99Ms,
        interTokenMeanMs: gaps.mean(),
        interTokenP99Ms: gaps.quantile(0.99),
        endToEndMeanMs: endToEnd.mean(),
        endToEndP99Ms,
        outputTokensPerSecond: ratio(1000 * outputTokens, lastedMs),
        goodput: ratio(ttft.countUpTo(ttftLimitMs), requests),
        hitRate: ratio(
          sum(({ prefixHits }) => prefixHits),
          sum(({ prefixQueries }) => prefixQueries),
        ),
        hitRateMaximum: ratio(reusableTokens, promptTokens),
        imbalance: ratio(
          busiest * engines.length,
          sum(({ busyMs }) => busyMs),
        ),
        preemptions: sum(({ preemptions }) => preemptions),
        decisionMicroseconds: ratio(1000 * decisionMs, decisions),
      };
    },
  };
};
