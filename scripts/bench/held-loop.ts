import type { Clock } from "../../src/core/clock.ts";
import type { Usage } from "./cpu.ts";
import { type Percentiles, percentiles } from "./statistics.ts";

/** A stream that is open. */
export interface HeldStream {
  readonly close: () => void;
}

/** What the reader of a stream is told. */
export interface HeldEvents {
  /** Milliseconds from when an event was sent to when it was read. */
  readonly onEvent: (latencyMs: number) => void;
  /** Once for each read, after its events. */
  readonly onRead: () => void;
  /** The stream ended or broke before it was closed. */
  readonly onLost: () => void;
}

interface HeldLoopOptions {
  readonly streams: number;
  /** From when all streams are open to when the measurement begins. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

interface HeldLoopDeps {
  /** Resolves at the first event of the stream, rejects when it is refused. */
  readonly open: (events: HeldEvents) => Promise<HeldStream>;
  /** What the contender has used so far; absent where there is none. */
  readonly usage: (() => Promise<Usage>) | undefined;
  readonly clock: Pick<Clock, "monotonic" | "after">;
}

/** What was seen of streams that were held open. */
export interface HeldResult {
  /** Those that were open during the measurement. */
  readonly streams: number;
  /** Those that were refused or lost. */
  readonly errors: number;
  readonly chunks: number;
  /** Reads that the chunks came in: those that came merged cost a contender less. */
  readonly reads: number;
  readonly seconds: number;
  /** Milliseconds of each chunk from the engine to the reader. */
  readonly latency: Percentiles | undefined;
  readonly cost?: {
    /** During the measurement. */
    readonly cpuMs: number;
    /** Before the first stream was opened. */
    readonly idleRssBytes: number;
    /** At the end, with all streams open. */
    readonly rssBytes: number;
  };
}

/** Streams that are opened at a time: fewer than any listener's backlog. */
const OPENED_AT_ONCE = 50;

/** Opens all streams, and when they have been open for a while measures what their chunks take and cost. */
export const runHeldLoop = async (
  { streams, warmUpSeconds, seconds }: HeldLoopOptions,
  { open, usage, clock }: HeldLoopDeps,
): Promise<HeldResult> => {
  const idle = await usage?.();
  const latencies: number[] = [];
  let isMeasuring = false;
  let lost = 0;
  let reads = 0;
  const events: HeldEvents = {
    onEvent: (latencyMs) => {
      if (isMeasuring) latencies.push(latencyMs);
    },
    onRead: () => {
      if (isMeasuring) reads += 1;
    },
    onLost: () => {
      lost += 1;
    },
  };
  const opened: HeldStream[] = [];
  for (let begun = 0; begun < streams; begun += OPENED_AT_ONCE) {
    const length = Math.min(OPENED_AT_ONCE, streams - begun);
    const settled = await Promise.allSettled(Array.from({ length }, async () => open(events)));
    opened.push(...settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])));
  }
  const pause = async (duration: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(duration * 1000, resolve);
    return promise;
  };

  await pause(warmUpSeconds);
  const before = await usage?.();
  const startedAt = clock.monotonic();
  isMeasuring = true;
  await pause(seconds);
  isMeasuring = false;
  const took = (clock.monotonic() - startedAt) / 1000;
  const after = await usage?.();
  const errors = streams - opened.length + lost;
  for (const stream of opened) stream.close();

  return {
    streams: opened.length - lost,
    errors,
    chunks: latencies.length,
    reads,
    seconds: took,
    latency: percentiles(latencies),
    ...(idle &&
      before &&
      after && {
        cost: {
          cpuMs: after.cpuMs - before.cpuMs,
          idleRssBytes: idle.rssBytes,
          rssBytes: after.rssBytes,
        },
      }),
  };
};
