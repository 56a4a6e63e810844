import { FLOOR } from "./contenders.ts";
import { type Decision, decisionText } from "./decisions.ts";
import { type HeldReport, heldText } from "./held-report.ts";
import type { HeldSample } from "./held-summary.ts";
import type { Machine } from "./machine.ts";
import type { Sample } from "./measure.ts";
import type { Placement } from "./placement.ts";
import { type StartSample, type StartSummary, startText } from "./start.ts";
import { spread } from "./statistics.ts";
import type { Summary } from "./summary.ts";
import { type SyscallCount, syscallText } from "./syscalls.ts";
import { type Column, median, ranged, tableOf } from "./text-table.ts";
import type { Workload } from "./workloads.ts";

/** What a run comes to. */
export interface Results {
  readonly machine: Machine;
  readonly settings: {
    readonly rounds: number;
    readonly seconds: number;
    readonly engines: number;
    readonly router: "source" | "executable";
    readonly placement: Placement | "none";
    readonly closedLoop: "wrk" | "own";
  };
  readonly contenders: readonly {
    readonly name: string;
    readonly summary: string;
    /** Why it was not measured. */
    readonly missing?: string;
  }[];
  readonly workloads: readonly WorkloadReport[];
  readonly held: readonly HeldReport[];
  /** Absent where they were not to be counted. */
  readonly syscalls?: readonly SyscallCount[] | { readonly missing: string };
  /** Empty where it was not asked for. */
  readonly starts: readonly StartSummary[];
  readonly decisions: readonly Decision[];
}

/** Everything that a run found out; `--json` writes it. */
export interface Report extends Results {
  readonly samples: readonly Sample[];
  readonly heldSamples: readonly HeldSample[];
  readonly startSamples: readonly StartSample[];
}

/** One table. */
interface WorkloadReport extends Pick<Workload, "name" | "summary" | "ratePerSecond" | "latencyTo"> {
  readonly connections: number | undefined;
  /** Chunks of an answer. */
  readonly pieces: number;
  readonly rows: readonly Summary[];
}

const saturatedColumns: readonly Column<Summary>[] = [
  { title: "max req/s", cell: ({ saturated }) => median(saturated?.requestsPerSecond, 0) },
  { title: "us/req at max", cell: ({ saturated }) => ranged(saturated?.cpu?.microsPerRequest, 1) },
  { title: `x ${FLOOR}`, cell: ({ saturated }) => ranged(saturated?.cpu?.toFloor, 2) },
];

const steadyColumns = ({ ratePerSecond }: WorkloadReport): readonly Column<Summary>[] => [
  {
    title: `us/req at ${ratePerSecond}/s`,
    cell: ({ steady }) => ranged(steady.cpu?.microsPerRequest, 1),
  },
  { title: `x ${FLOOR}`, cell: ({ steady }) => ranged(steady.cpu?.toFloor, 2) },
  { title: "CPU %", cell: ({ steady }) => median(steady.cpu?.busyPercent, 0) },
  { title: "p50 ms", cell: ({ steady }) => median(steady.latency?.p50, 2) },
  { title: "p99 ms", cell: ({ steady }) => median(steady.latency?.p99, 2) },
  { title: "added p50", cell: ({ steady }) => median(steady.latency?.addedP50, 2) },
  { title: "added p99", cell: ({ steady }) => median(steady.latency?.addedP99, 2) },
];

const streamColumns: readonly Column<Summary>[] = [
  { title: "reads", cell: ({ steady }) => median(steady.reads, 1) },
  { title: "us/read", cell: ({ steady }) => ranged(steady.microsPerRead, 1) },
];

const lastColumns: readonly Column<Summary>[] = [{ title: "RSS MB", cell: ({ rssMb }) => median(rssMb, 0) }];

/** Below this share of its chunks in reads of their own, a contender was spared work that others had. */
const MERGED = 0.9;

const notesOn = ({ rows, pieces }: WorkloadReport): readonly string[] => [
  ...rows.flatMap(({ contender, errors }) =>
    errors === 0 ? [] : [`${contender}: ${errors} requests got no right answer; its figures mean nothing`],
  ),
  ...rows.flatMap(({ contender, steady }) =>
    steady.reads.median >= pieces * MERGED
      ? []
      : [`${contender}: chunks came merged, so compare CPU time per read, not per request`],
  ),
];

const closedLoopName = { wrk: " by wrk", own: "" } as const;

const workloadText = (workload: WorkloadReport, report: Results): string => {
  const { name, summary, ratePerSecond, latencyTo, connections, pieces, rows } = workload;
  const columns = [
    ...(connections === undefined ? [] : saturatedColumns),
    ...steadyColumns(workload),
    ...(pieces > 1 ? streamColumns : []),
    ...lastColumns,
  ];
  const lateness = spread(rows.flatMap(({ steady }) => steady.lagMs?.median ?? []));
  const loads = [
    ...(connections === undefined
      ? []
      : [`closed loop of ${connections} connections${closedLoopName[report.settings.closedLoop]}`]),
    `open loop of ${ratePerSecond} requests/s, latency to the ${latencyTo === "first" ? "first byte of the body" : "last byte"}`,
    `the generator itself was late by ${median(lateness, 2)} ms`,
  ];
  return [
    `${name}: ${summary}`,
    `  ${loads.join("; ")}`,
    "",
    tableOf(columns, rows),
    ...notesOn(workload),
  ].join("\n");
};

const placementText = (placement: Placement | "none"): string =>
  placement === "none"
    ? "not bound to CPUs"
    : `contender on CPU ${placement.contender}, engine on CPU ${placement.engine}, load on CPU ${placement.load}`;

/** The report as text: medians over the rounds, with the lowest and the highest in brackets. */
export const formatReport = (report: Results): string => {
  const { machine, settings, contenders, workloads, held, starts, decisions, syscalls } = report;
  const tools = [
    `Bun ${machine.bun}`,
    `wrk ${machine.wrk ?? "missing"}`,
    `nginx ${machine.nginx ?? "missing"}`,
    `HAProxy ${machine.haproxy ?? "missing"}`,
  ];
  const intro = [
    `${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGb} GB, ${machine.kernel}, ${tools.join(", ")}, load ${machine.load.toFixed(1)} before`,
    `${settings.rounds} rounds of ${settings.seconds} s; ${placementText(settings.placement)}; ${settings.engines} engines; router from ${settings.router}, its log in a file`,
  ];
  const legend = contenders.map(({ name, summary }) => `  ${name.padEnd(20)}${summary}`);
  const absent = contenders.flatMap(({ name, missing }) =>
    missing === undefined ? [] : [`${name} is missing: ${missing}`],
  );
  return [
    intro.join("\n"),
    [...legend, ...absent].join("\n"),
    ...workloads.map((workload) => workloadText(workload, report)),
    ...held.map(heldText),
    ...(syscalls === undefined ? [] : [syscallText(syscalls)]),
    ...(starts.length === 0 ? [] : [startText(starts)]),
    ...(decisions.length === 0 ? [] : [decisionText(decisions)]),
  ].join("\n\n");
};

/** Requests that got no right answer and streams that were lost, in all tables together. */
export const errorCount = ({ workloads, held }: Results): number =>
  [...workloads, ...held].flatMap(({ rows }) => rows.map(({ errors }) => errors)).reduce((a, b) => a + b, 0);

const FIGURES = 4;

/** A report without its samples, with as many figures of each number as a reader can use. */
export const resultsOf = (report: Report): Results => {
  const { samples: _, heldSamples: _held, startSamples: _starts, ...results } = report;
  return JSON.parse(
    JSON.stringify(results, (_key, value: unknown) =>
      typeof value === "number" ? Number(value.toPrecision(FIGURES)) : value,
    ),
  ) as Results;
};
