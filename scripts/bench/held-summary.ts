import { DIRECT, FLOOR } from "./contenders.ts";
import type { HeldResult } from "./held-loop.ts";
import { present, roundsOf } from "./rounds.ts";
import type { Spread } from "./statistics.ts";

/** One contender with all streams of a held workload open, in one round. */
export interface HeldSample extends HeldResult {
  readonly round: number;
  readonly contender: string;
  readonly workload: string;
}

/** A contender under a held workload, over the rounds. What could not be measured is absent. */
export interface HeldSummary {
  readonly contender: string;
  readonly errors: number;
  readonly chunksPerSecond?: Spread;
  /** Chunks that a read brought: more than one cost a contender less. */
  readonly chunksPerRead?: Spread;
  readonly microsPerChunk?: Spread;
  /** CPU time per chunk, to that of the bare relay in the same round. */
  readonly toFloor?: Spread;
  /** Milliseconds from the engine to the reader, and what they are more than without a relay. */
  readonly p50?: Spread;
  readonly p99?: Spread;
  readonly addedP50?: Spread;
  readonly addedP99?: Spread;
  readonly rssMb?: Spread;
  /** What resident memory grew by for each open stream. */
  readonly rssKbPerStream?: Spread;
}

/** Unknown where less than a tick of the CPU clock was used. */
const microsPerChunk = ({ cost, chunks }: HeldSample): number | undefined =>
  cost && cost.cpuMs > 0 && chunks > 0 ? (cost.cpuMs * 1000) / chunks : undefined;

/** Medians and spreads of one contender under one held workload; comparisons are made within a round. */
export const summarizeHeld = (
  contender: string,
  workload: string,
  samples: readonly HeldSample[],
): HeldSummary => {
  const ofWorkload = samples.filter((sample) => sample.workload === workload);
  const { samples: own, over, compare } = roundsOf(contender, ofWorkload);
  const p50Of = ({ latency }: HeldSample) => latency?.p50;
  const p99Of = ({ latency }: HeldSample) => latency?.p99;
  const minus = (mine: number, direct: number): number => mine - direct;
  const isRelay = contender !== DIRECT;
  return {
    contender,
    errors: own.map(({ errors }) => errors).reduce((a, b) => a + b, 0),
    ...present({
      chunksPerSecond: over(({ chunks, seconds }) => chunks / seconds),
      chunksPerRead: over(({ chunks, reads }) => (reads > 0 ? chunks / reads : undefined)),
      microsPerChunk: over(microsPerChunk),
      toFloor: compare(microsPerChunk, FLOOR, (mine, floor) => mine / floor),
      p50: over(p50Of),
      p99: over(p99Of),
      addedP50: isRelay ? compare(p50Of, DIRECT, minus) : undefined,
      addedP99: isRelay ? compare(p99Of, DIRECT, minus) : undefined,
      rssMb: over(({ cost }) => cost && cost.rssBytes / 2 ** 20),
      rssKbPerStream: over(({ cost, streams }) =>
        cost && streams > 0 ? (cost.rssBytes - cost.idleRssBytes) / 1024 / streams : undefined,
      ),
    }),
  };
};
