import { DIRECT, FLOOR } from "./contenders.ts";
import type { Cost, Sample } from "./measure.ts";
import { present, roundsOf } from "./rounds.ts";
import type { Spread } from "./statistics.ts";
import type { Workload } from "./workloads.ts";

/** CPU time that a contender spent, over the rounds. */
interface CpuSummary {
  readonly microsPerRequest: Spread;
  /** To the bare relay in the same round; absent without it. */
  readonly toFloor?: Spread;
  /** Share of one CPU that was used, in percent. */
  readonly busyPercent: Spread;
}

/** Milliseconds over the rounds. */
interface LatencySummary {
  readonly p50: Spread;
  readonly p99: Spread;
  /** More than the engine itself in the same round; absent without it. */
  readonly addedP50?: Spread;
  readonly addedP99?: Spread;
}

/** A contender under a workload, over the rounds. What could not be measured is absent. */
export interface Summary {
  readonly contender: string;
  readonly errors: number;
  readonly saturated?: { readonly requestsPerSecond: Spread; readonly cpu?: CpuSummary };
  readonly steady: {
    readonly cpu?: CpuSummary;
    readonly latency?: LatencySummary;
    /** Median time by which the generator itself was late. */
    readonly lagMs?: Spread;
    /** Reads that an answer took at the client: chunks that came merged cost a contender less. */
    readonly reads: Spread;
    /** CPU time per read; that of a request with a single read is all of it. */
    readonly microsPerRead?: Spread;
  };
  readonly rssMb?: Spread;
}

interface Load {
  readonly requests: number;
  readonly cost?: Cost;
}

/** Unknown where less than a tick of the CPU clock was used. */
const microsPerRequest = (load: Load | undefined): number | undefined =>
  load?.cost && load.cost.cpuMs > 0 && load.requests > 0
    ? (load.cost.cpuMs * 1000) / load.requests
    : undefined;

/** Medians and spreads of one contender under one workload; comparisons are made within a round. */
export const summarize = (
  contender: string,
  { name, latencyTo }: Workload,
  samples: readonly Sample[],
): Summary => {
  const ofWorkload = samples.filter((sample) => sample.workload === name);
  const { samples: mine, over, compare } = roundsOf(contender, ofWorkload);

  const cpuOf = (load: (sample: Sample) => Load | undefined): CpuSummary | undefined => {
    const micros = over((sample) => microsPerRequest(load(sample)));
    const busyPercent = over((sample) => {
      const cost = load(sample)?.cost;
      return cost && (100 * cost.cpuMs) / cost.wallMs;
    });
    if (!micros || !busyPercent) return undefined;
    const toFloor = compare(
      (sample) => microsPerRequest(load(sample)),
      FLOOR,
      (own, floor) => own / floor,
    );
    return { microsPerRequest: micros, busyPercent, ...present({ toFloor }) };
  };

  const latency = (): LatencySummary | undefined => {
    const p50Of = (sample: Sample) => sample.steady[latencyTo]?.p50;
    const p99Of = (sample: Sample) => sample.steady[latencyTo]?.p99;
    const [p50, p99] = [over(p50Of), over(p99Of)];
    if (!p50 || !p99) return undefined;
    const minus = (own: number, direct: number) => own - direct;
    const added =
      contender === DIRECT
        ? undefined
        : { p50: compare(p50Of, DIRECT, minus), p99: compare(p99Of, DIRECT, minus) };
    return { p50, p99, ...present({ addedP50: added?.p50, addedP99: added?.p99 }) };
  };

  const requestsPerSecond = over(({ saturated }) => saturated && saturated.requests / saturated.seconds);
  const errors = mine.map(({ saturated, steady }) => (saturated?.errors ?? 0) + steady.errors);
  return {
    contender,
    errors: errors.reduce((a, b) => a + b, 0),
    ...(requestsPerSecond && {
      saturated: { requestsPerSecond, ...present({ cpu: cpuOf(({ saturated }) => saturated) }) },
    }),
    steady: {
      ...present({
        cpu: cpuOf(({ steady }) => steady),
        latency: latency(),
        lagMs: over(({ steady }) => steady.lag?.p50),
        microsPerRead: over(({ steady }) => {
          const micros = microsPerRequest(steady);
          return micros === undefined || steady.reads === 0 ? undefined : micros / steady.reads;
        }),
      }),
      reads: over(({ steady }) => steady.reads) ?? { median: 0, min: 0, max: 0 },
    },
    ...present({
      rssMb: over(({ steady }) => steady.cost && steady.cost.rssBytes / 2 ** 20),
    }),
  };
};
