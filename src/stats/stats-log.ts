import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { Log } from "../core/log.ts";
import type { RequestStats } from "../core/request-stats.ts";

/** An engine with all that is known of its load. */
export interface StatsRow {
  readonly endpoint: Endpoint;
  readonly requests: RequestStats;
  readonly engine?: EngineStats | undefined;
}

/** A number as Python writes a float: `3.0`. */
const float = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));

const modelLines = ({ models, cards = [] }: Endpoint): readonly string[] => {
  if (models.length === 0) return ["Models: No model information available"];
  const parents = new Map(cards.map(({ id, parent }) => [id, parent]));
  return [
    "Models:",
    ...models.map((model) => {
      const parent = parents.get(model);
      return typeof parent === "string" && parent !== ""
        ? `  - ${model} (adapter for ${parent})`
        : `  - ${model}`;
    }),
  ];
};

const engineLine = (engine: EngineStats | undefined): string => {
  if (!engine) return " Engine Stats: No stats available";
  const { running, waiting, prefixCacheHitRate = 0 } = engine;
  const count = (value: number | undefined): string => (value === undefined ? "0" : float(value));
  return (
    ` Engine Stats: Running Requests: ${count(running)}, Queued Requests: ${count(waiting)}, ` +
    `GPU Cache Hit Rate: ${prefixCacheHitRate.toFixed(2)}`
  );
};

const requestLine = ({ requests, engine }: StatsRow, now: number): string => {
  const { qps, latencyMs, interTokenMs, inPrefill, inDecode, finished = 0, firstRequestAt } = requests;
  if (qps === undefined) return " Request Stats: No stats available";
  // In this format what is unknown is -1.
  return ` Request Stats: ${[
    `QPS: ${qps.toFixed(2)}`,
    `Avg Latency: ${((latencyMs ?? -1000) / 1000).toFixed(2)}`,
    `Avg ITL: ${interTokenMs === undefined ? "-1" : (interTokenMs / 1000).toFixed(4)}`,
    `Prefill Requests: ${inPrefill}`,
    `Decoding Requests: ${inDecode}`,
    `Swapped Requests: ${engine?.swapped ?? 0}`,
    `Finished: ${finished}`,
    `Uptime: ${((now - (firstRequestAt ?? now)) / 1000).toFixed(2)} sec`,
  ].join(", ")}`;
};

/** The lines of the block that the reference logs; `now` in monotonic milliseconds. Times in it are seconds. */
export const statsBlock = (rows: readonly StatsRow[], now: number): readonly string[] => [
  "",
  "=".repeat(50),
  ...rows.flatMap((row) => [
    `Server: ${row.endpoint.url}`,
    ...modelLines(row.endpoint),
    engineLine(row.engine),
    requestLine(row, now),
    "-".repeat(50),
  ]),
  "=".repeat(50),
];

interface StatsLogOptions {
  readonly intervalMs: number;
  /** The engines as they are when the block is written. */
  readonly rows: () => readonly StatsRow[];
}

/** Logs the block of `--log-stats` in every interval until it is disposed. */
export const createStatsLog = (
  { intervalMs, rows }: StatsLogOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, "infoBlock"> },
): Disposable => {
  let timer: Disposable;
  const wait = (): void => {
    timer = clock.after(intervalMs, () => {
      log.infoBlock(statsBlock(rows(), clock.monotonic()));
      wait();
    });
  };
  wait();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
};
