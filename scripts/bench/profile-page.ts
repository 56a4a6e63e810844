import { FLOOR, ROUTER } from "./contenders.ts";
import type { Machine } from "./machine.ts";
import { type Doing, doings } from "./stacks.ts";

/** Where the CPU time of one contender goes under one workload: microseconds per request. */
interface ProfileRow {
  readonly contender: string;
  readonly workload: string;
  readonly micros: Readonly<Record<Doing, number>>;
}

/** Where the CPU time of requests goes. */
export interface Profile {
  readonly machine: Machine;
  readonly seconds: number;
  readonly rows: readonly ProfileRow[];
}

/** Where the figures are kept. */
export const PROFILE = "docs/profile.json";

const kinds = Object.keys(doings) as readonly Doing[];
const kernel: readonly Doing[] = ["send", "receive", "wait", "kernel"];

const sum = ({ micros }: ProfileRow, of: readonly Doing[]): number =>
  of.reduce((total, kind) => total + micros[kind], 0);

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** What of the difference to the bare relay is whose. */
const verdict = (rows: readonly ProfileRow[], workload: string): string | undefined => {
  const of = (contender: string) =>
    rows.find((row) => row.contender === contender && row.workload === workload);
  const [floor, router] = [of(FLOOR), of(ROUTER)];
  if (!floor || !router) return undefined;
  const share = Math.round((100 * sum(router, kernel)) / sum(router, kinds));
  const more = sum(router, kinds) - sum(floor, kinds);
  const script = router.micros.script - floor.micros.script;
  return `\`${workload}\`: ${share} % of the router's time is the kernel's. It takes ${more.toFixed(1)} us more than the bare relay: the router's own code, compiled, ${script.toFixed(1)} us, what that calls of the runtime ${(router.micros.called - floor.micros.called).toFixed(1)} us, the runtime by itself ${(router.micros.own - floor.micros.own).toFixed(1)} us, and the kernel ${(sum(router, kernel) - sum(floor, kernel)).toFixed(1)} us.`;
};

/** The section of the page, as Markdown. */
export const describeProfile = ({ machine, seconds, rows }: Profile): string => {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  return [
    "## Where the time goes",
    `CPU microseconds per request as \`perf\` sees them, which looks at each contender in turn for ${seconds} s in all (${machine.cpu}, load ${machine.load.toFixed(1)} before); \`node scripts/bun.mjs scripts/bench/profile.ts --write-docs\` measures it anew. The runtime is Bun: its server, its \`fetch\`, its strings, its memory. Of a relay that Bun does not run, everything outside the kernel is in that column.`,
    [
      line(["workload", "relay", ...kinds.map((kind) => doings[kind]), "all"]),
      line(["---", "---", ...kinds.map(() => "--:"), "--:"]),
      ...rows.map((row) =>
        line([
          `\`${row.workload}\``,
          `\`${row.contender}\``,
          ...kinds.map((kind) => row.micros[kind].toFixed(1)),
          sum(row, kinds).toFixed(1),
        ]),
      ),
    ].join("\n"),
    workloads
      .map((workload) => verdict(rows, workload))
      .filter((text) => text !== undefined)
      .map((text) => `- ${text}`)
      .join("\n"),
  ]
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
};
