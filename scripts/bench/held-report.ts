import { FLOOR } from "./contenders.ts";
import type { HeldSummary } from "./held-summary.ts";
import type { HeldWorkload } from "./held-workloads.ts";
import { type Column, median, ranged, tableOf } from "./text-table.ts";

/** The contenders under a held workload. */
export interface HeldReport extends Pick<HeldWorkload, "name" | "summary" | "streams" | "gapMs"> {
  /** Why it was not measured. */
  readonly missing?: string;
  readonly rows: readonly HeldSummary[];
}

const columns: readonly Column<HeldSummary>[] = [
  { title: "chunks/s", cell: ({ chunksPerSecond }) => median(chunksPerSecond, 0) },
  { title: "us/chunk", cell: ({ microsPerChunk }) => ranged(microsPerChunk, 1) },
  { title: `x ${FLOOR}`, cell: ({ toFloor }) => ranged(toFloor, 2) },
  { title: "p50 ms", cell: ({ p50 }) => median(p50, 2) },
  { title: "p99 ms", cell: ({ p99 }) => median(p99, 2) },
  { title: "added p50", cell: ({ addedP50 }) => median(addedP50, 2) },
  { title: "added p99", cell: ({ addedP99 }) => median(addedP99, 2) },
  { title: "RSS MB", cell: ({ rssMb }) => median(rssMb, 0) },
  { title: "KB/stream", cell: ({ rssKbPerStream }) => ranged(rssKbPerStream, 1) },
];

/** Below this share of the rate, chunks were held up somewhere. */
const KEPT_UP = 0.95;
/** Above so many chunks in a read, a contender was spared work that others had. */
const MERGED = 1.1;

const noteOn = (row: HeldSummary, { streams, gapMs }: HeldReport): readonly string[] => {
  const { contender, errors, chunksPerSecond, chunksPerRead } = row;
  if (errors > 0) return [`${contender}: ${errors} streams were refused or lost; its figures mean nothing`];
  const rate = (streams * 1000) / gapMs;
  const isBehind = (chunksPerSecond?.median ?? 0) < rate * KEPT_UP;
  const isMerged = (chunksPerRead?.median ?? 0) > MERGED;
  return [
    ...(isBehind ? [`${contender}: did not keep up with ${rate} chunks/s`] : []),
    ...(isMerged ? [`${contender}: chunks came merged, so its CPU time per chunk is not comparable`] : []),
  ];
};

/** A held workload as text. */
export const heldText = (report: HeldReport): string => {
  const { name, summary, missing, rows } = report;
  if (missing !== undefined) return `${name}: ${summary}\n  not measured: ${missing}`;
  return [
    `${name}: ${summary}`,
    "  each contender started anew; latency of a chunk from the engine to the reader, which share a clock",
    "",
    tableOf(columns, rows),
    ...rows.flatMap((row) => noteOn(row, report)),
  ].join("\n");
};
