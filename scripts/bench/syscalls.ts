import { join } from "node:path";
import { readTree } from "./cpu.ts";
import { generate, type LoadSetup, type Target } from "./measure.ts";
import type { OpenLoopResult } from "./open-loop.ts";
import { tableOf } from "./text-table.ts";
import type { Workload } from "./workloads.ts";

/** System calls of a contender under a workload. */
export interface SyscallCount {
  readonly contender: string;
  readonly workload: string;
  readonly perRequest: number;
  /** Those of each name, the most frequent first. */
  readonly byName: Readonly<Record<string, number>>;
}

/** A tenth of a workload's rate: strace makes each call cost many times as much. */
const SLOWER = 10;
const MIN_SECONDS = 1;
const CONNECTIONS = 32;
const NAMES = 6;

/** Calls by name in the table that `strace -c` writes. */
export const parseStrace = (table: string): ReadonlyMap<string, number> => {
  const calls = new Map<string, number>();
  for (const [, count = "", name = ""] of table.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$/gm))
    if (name !== "total") calls.set(name, Number(count));
  return calls;
};

/** Begins to count the calls of a process and its descendants; `stop` gives strace's table. */
const attach = async (pid: number, folder: string): Promise<{ readonly stop: () => Promise<string> }> => {
  const file = join(folder, `strace-${pid}`);
  const pids = (await readTree(pid)).flatMap((each) => ["-p", String(each.pid)]);
  const strace = Bun.spawn(["strace", "-f", "-c", "-o", file, ...pids], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const reader = strace.stderr.getReader();
  const decoder = new TextDecoder();
  for (let said = ""; !said.includes("attached");) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`strace does not attach: ${said}`);
    said += decoder.decode(value, { stream: true });
  }
  // New threads are told there too: a full pipe would hold strace up.
  const drained = (async () => {
    while (!(await reader.read()).done);
  })();
  return {
    stop: async () => {
      strace.kill("SIGINT");
      await Promise.all([strace.exited, drained]);
      return Bun.file(file).text();
    },
  };
};

/** Counts the calls of one contender under one workload; undefined for the engine itself. */
export const countSyscalls = async (
  { name, port, pid }: Target,
  workload: Workload,
  load: LoadSetup,
): Promise<SyscallCount | undefined> => {
  if (pid === undefined) return undefined;
  const { stop } = await attach(pid, load.folder);
  const { requests } = await generate<OpenLoopResult>(load, {
    loop: "open",
    port,
    workload: workload.name,
    seconds: Math.max(MIN_SECONDS, load.seconds),
    connections: CONNECTIONS,
    ratePerSecond: workload.ratePerSecond / SLOWER,
  });
  const calls = parseStrace(await stop())
    .entries()
    .toArray()
    .toSorted(([, left], [, right]) => right - left);
  const sum = calls.reduce((total, [, count]) => total + count, 0);
  return {
    contender: name,
    workload: workload.name,
    perRequest: sum / requests,
    byName: Object.fromEntries(calls.slice(0, NAMES).map(([call, count]) => [call, count / requests])),
  };
};

/** The counts as text, or why there are none. */
export const syscallText = (counts: readonly SyscallCount[] | { readonly missing: string }): string => {
  if ("missing" in counts) return `system calls: not counted: ${counts.missing}`;
  const rows = [...Map.groupBy(counts, ({ contender }) => contender)].map(([contender, own]) => ({
    contender,
    own,
  }));
  const columns = [...new Set(counts.map(({ workload }) => workload))].flatMap((workload) => {
    const of = (own: readonly SyscallCount[]) => own.find((count) => count.workload === workload);
    return [
      {
        title: workload,
        cell: ({ own }: (typeof rows)[number]) => of(own)?.perRequest.toFixed(1) ?? "-",
      },
      {
        title: "most of them",
        cell: ({ own }: (typeof rows)[number]) =>
          Object.entries(of(own)?.byName ?? {})
            .slice(0, 2)
            .map(([call, count]) => `${call} ${count.toFixed(1)}`)
            .join(", "),
      },
    ];
  });
  return [
    `system calls per request, at a ${SLOWER}th of the rate, with what is done beside requests`,
    "",
    tableOf(columns, rows),
  ].join("\n");
};
