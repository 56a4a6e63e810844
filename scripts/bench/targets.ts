import { FLOOR, LARGE_FLEET, PREFIX_AWARE, PYTHON, ROUTER } from "./contenders.ts";
import type { Results } from "./report.ts";

/** What the router is to reach: a row of the table of targets. */
export interface Target {
  readonly what: string;
  /** As it is printed. */
  readonly unit: "x" | "us" | "ms" | "MB" | "KB" | "req/s";
  readonly limit: number;
  /** Whether a smaller value is the better one. */
  readonly isCost: boolean;
  /** The value of a contender, the router's being the measured one; undefined where it was not measured. */
  readonly measure: (results: Results, contender: string) => number | undefined;
  /** The contender that is held against the limit; the router where absent. */
  readonly contender?: string;
  /** What is to be known where it was not measured. */
  readonly otherwise?: string;
}

/** Figures of requests without a right answer mean nothing. */
const goodRow = <Row extends { readonly contender: string; readonly errors: number }>(
  tables: readonly { readonly name: string; readonly rows: readonly Row[] }[],
  table: string,
  contender: string,
): Row | undefined =>
  tables
    .find(({ name }) => name === table)
    ?.rows.find((row) => row.contender === contender && row.errors === 0);

const requests = ({ workloads }: Results, workload: string, contender: string) =>
  goodRow(workloads, workload, contender);
const held = (results: Results, workload: string, contender: string) =>
  goodRow(results.held, workload, contender);

const maxMicros = (results: Results, workload: string, contender: string): number | undefined =>
  requests(results, workload, contender)?.saturated?.cpu?.microsPerRequest.median;
const streamMicros = (results: Results, contender: string): number | undefined =>
  requests(results, "stream-64", contender)?.steady.cpu?.microsPerRequest.median;
const latency = (results: Results, workload: string, contender: string) =>
  requests(results, workload, contender)?.steady.latency;
const starting = ({ starts }: Results, contender: string) =>
  // The router that is started is the one that is delivered.
  starts.find((row) => row.contender === (contender === ROUTER ? "router-executable" : contender));

const ratio = (value: number | undefined, to: number | undefined): number | undefined =>
  value === undefined || to === undefined ? undefined : value / to;

/** Every target, with how it is computed from the results. */
export const targets: readonly Target[] = [
  {
    what: "CPU time per request of 1 KB at 1,000 requests/s, to the bare relay",
    unit: "x",
    limit: 1.15,
    isCost: true,
    measure: (results, contender) => requests(results, "json-1k", contender)?.steady.cpu?.toFloor?.median,
  },
  {
    what: "CPU time per request of 1 KB at saturation, to the bare relay",
    unit: "x",
    limit: 1.15,
    isCost: true,
    measure: (results, contender) => requests(results, "json-1k", contender)?.saturated?.cpu?.toFloor?.median,
  },
  {
    what: "CPU time per stream of 64 chunks, to the bare relay",
    unit: "x",
    limit: 1.2,
    isCost: true,
    measure: (results, contender) => requests(results, "stream-64", contender)?.steady.cpu?.toFloor?.median,
  },
  {
    what: "CPU time per stream of 64 chunks, to nginx",
    unit: "x",
    limit: 2,
    isCost: true,
    measure: (results, contender) => ratio(streamMicros(results, contender), streamMicros(results, "nginx")),
  },
  {
    what: "requests/s of 1 KB, to the Python router",
    unit: "x",
    limit: 15,
    isCost: false,
    measure: (results, contender) => {
      const rate = (name: string) => requests(results, "json-1k", name)?.saturated?.requestsPerSecond.median;
      return ratio(rate(contender), rate(PYTHON));
    },
    otherwise: "where it was measured elsewhere it served about 1,100 requests/s, an indication only",
  },
  {
    what: "CPU time per request of 1 KB, to the better of the two Rust routers",
    unit: "x",
    limit: 1,
    isCost: true,
    measure: (results, contender) => {
      const [vllm, sglang] = ["vllm-router-rs", "sglang-router"].map((name) =>
        maxMicros(results, "json-1k", name),
      );
      const better = vllm === undefined || sglang === undefined ? undefined : Math.min(vllm, sglang);
      return ratio(maxMicros(results, "json-1k", contender), better);
    },
  },
  {
    what: "added latency at 1,000 requests/s, p50",
    unit: "ms",
    limit: 0.15,
    isCost: true,
    measure: (results, contender) => latency(results, "json-1k", contender)?.addedP50?.median,
  },
  {
    what: "added latency at 1,000 requests/s, p99",
    unit: "ms",
    limit: 1,
    isCost: true,
    measure: (results, contender) => latency(results, "json-1k", contender)?.addedP99?.median,
  },
  {
    what: "prompts of 220 KB with prefix-aware routing, per core",
    unit: "req/s",
    limit: 2000,
    isCost: false,
    contender: PREFIX_AWARE,
    measure: (results, contender) => ratio(1e6, maxMicros(results, "prompt-220k", contender)),
  },
  {
    what: "prompts of 220 KB with prefix-aware routing, p99 of the added latency, which a held event loop shows in",
    unit: "ms",
    limit: 5,
    isCost: true,
    contender: PREFIX_AWARE,
    measure: (results, contender) => latency(results, "prompt-220k", contender)?.addedP99?.median,
  },
  {
    what: "memory per open stream",
    unit: "KB",
    limit: 150,
    isCost: true,
    measure: (results, contender) => held(results, "held-5000", contender)?.rssKbPerStream?.median,
  },
  {
    what: "memory with 5,000 open streams",
    unit: "MB",
    limit: 700,
    isCost: true,
    measure: (results, contender) => held(results, "held-5000", contender)?.rssMb?.median,
  },
  {
    what: "memory when idle",
    unit: "MB",
    limit: 90,
    isCost: true,
    measure: (results, contender) => starting(results, contender)?.idleRssMb?.median,
  },
  {
    what: "CPU time per request in front of 1,000 engines, to that of 2",
    unit: "x",
    limit: 1.2,
    isCost: true,
    contender: LARGE_FLEET,
    measure: (results, contender) =>
      contender === FLOOR
        ? undefined
        : ratio(maxMicros(results, "json-1k", contender), maxMicros(results, "json-1k", ROUTER)),
  },
  {
    what: "a decision among 1,000 engines, session routing",
    unit: "us",
    limit: 10,
    isCost: true,
    measure: ({ decisions }, contender) =>
      contender === ROUTER ? decisions.find(({ policy }) => policy === "session")?.micros : undefined,
  },
  {
    what: "a decision among 1,000 engines, slowest policy",
    unit: "us",
    limit: 10,
    isCost: true,
    measure: ({ decisions }, contender) =>
      contender === ROUTER && decisions.length > 0
        ? Math.max(...decisions.map(({ micros }) => micros))
        : undefined,
  },
  {
    what: "start to the first answer",
    unit: "ms",
    limit: 100,
    isCost: true,
    measure: (results, contender) => starting(results, contender)?.startMs?.median,
  },
];
