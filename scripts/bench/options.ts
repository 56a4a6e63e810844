import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Contender, contenders, contendersOf, sets } from "./contenders.ts";
import { DECISIONS } from "./decisions.ts";
import { type HeldWorkload, heldWorkloads } from "./held-workloads.ts";
import { START } from "./start.ts";
import { type Workload, workloads } from "./workloads.ts";

/** What a run of the benchmark does. */
export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Each contender serves so long before it is measured. */
  readonly warmUpSeconds: number;
  /** Connections of the closed loops, where a workload's own number is not wanted. */
  readonly connections: number | undefined;
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly heldWorkloads: readonly HeldWorkload[];
  /** Those whose starts are measured. */
  readonly starting: readonly Contender[];
  /** Absolute, as are the other paths. */
  readonly binary: string | undefined;
  readonly pythonRouter: string | undefined;
  readonly jsonFile: string | undefined;
  /** Whether the decisions of policies are measured. */
  readonly decides: boolean;
  /** Whether system calls are counted. */
  readonly countsSyscalls: boolean;
  /** The router's CPU time per request may be so many times that of the bare relay. */
  readonly maxRatio: number | undefined;
  readonly chartFile: string | undefined;
  /** Whether the results become those of docs/performance.md. */
  readonly writesDocs: boolean;
}

const list = (rows: readonly { readonly name: string; readonly summary: string }[]): string =>
  rows.map(({ name, summary }) => `  ${name.padEnd(20)}${summary}`).join("\n");

const allWorkloads = [...workloads, ...heldWorkloads, START, DECISIONS];

/** What `--help` prints. */
export const usage = `Usage: bun run bench [options]

Measures the router beside other relays, in turn and repeatedly, in front of the same engine.

Options:
  --rounds <count>       times that every contender is measured (5)
  --seconds <seconds>    length of each measurement (3)
  --connections <count>  connections of the closed loop, instead of the workload's own
  --set <name>           ${sets.join(", ")}: which contenders are compared (rivals)
  --contenders <names>   comma-separated, instead of a set
  --workloads <names>    comma-separated (all)
  --binary <file>        the compiled router, instead of the source
  --python-router <file> the Python router's executable, which is measured where it is named
  --json <file>          writes everything that was measured
  --syscalls             counts system calls per request, where strace is installed
  --max-ratio <ratio>    fails where the router's CPU time per request is more than so many times the bare relay's
  --chart <file>         draws the results as SVG
  --write-docs           makes them those of docs/performance.md; --set targets where none is named
  --quick                one round of one second, to see that all works

Contenders:
${list(contenders)}

Workloads:
${list(allWorkloads)}
`;

const chosen = <Row extends { readonly name: string }>(
  flag: string,
  names: string | undefined,
  rows: readonly Row[],
): readonly Row[] => {
  if (names === undefined) return rows;
  const wanted = names.split(",").map((name) => name.trim());
  const known = rows.map(({ name }) => name);
  for (const name of wanted)
    if (!known.includes(name)) throw new Error(`${flag}: there is no ${name}; there are ${known.join(", ")}`);
  return rows.filter(({ name }) => wanted.includes(name));
};

const setNamed = (text: string): (typeof sets)[number] => {
  const set = sets.find((name) => name === text);
  if (set === undefined) throw new Error(`--set: there is no ${text}; there are ${sets.join(", ")}`);
  return set;
};

const positive = (flag: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`${flag}: ${text} is not a positive number`);
  return value;
};

const count = (flag: string, text: string | undefined): number | undefined => {
  const value = positive(flag, text);
  if (value !== undefined && !Number.isInteger(value))
    throw new Error(`${flag}: ${text} is not a whole number`);
  return value;
};

/** Reads the command line; throws with a sentence for the user, and gives "help" when that is what was asked. */
export const parseOptions = (args: readonly string[]): BenchOptions | "help" => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      connections: { type: "string" },
      set: { type: "string" },
      contenders: { type: "string" },
      workloads: { type: "string" },
      binary: { type: "string" },
      "python-router": { type: "string" },
      json: { type: "string" },
      chart: { type: "string" },
      syscalls: { type: "boolean", default: false },
      "max-ratio": { type: "string" },
      "write-docs": { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const chosenWorkloads = new Set(
    chosen("--workloads", values.workloads, allWorkloads).map(({ name }) => name),
  );
  const seconds = positive("--seconds", values.seconds) ?? (values.quick ? 1 : 3);
  const chosenContenders =
    values.contenders === undefined
      ? contendersOf(setNamed(values.set ?? (values["write-docs"] ? "targets" : "rivals")))
      : chosen("--contenders", values.contenders, contenders);
  const onlyStarted = contenders.filter(({ set }) => set === "start" && values.contenders === undefined);
  return {
    rounds: count("--rounds", values.rounds) ?? (values.quick ? 1 : 5),
    seconds,
    warmUpSeconds: values.quick ? Math.min(seconds, 0.5) : 3,
    connections: count("--connections", values.connections),
    contenders: chosenContenders,
    workloads: workloads.filter(({ name }) => chosenWorkloads.has(name)),
    heldWorkloads: heldWorkloads.filter(({ name }) => chosenWorkloads.has(name)),
    starting: chosenWorkloads.has(START.name) ? [...chosenContenders, ...onlyStarted] : [],
    decides: chosenWorkloads.has(DECISIONS.name),
    binary: values.binary && resolve(values.binary),
    pythonRouter: values["python-router"] && resolve(values["python-router"]),
    jsonFile: values.json && resolve(values.json),
    countsSyscalls: values.syscalls,
    maxRatio: positive("--max-ratio", values["max-ratio"]),
    chartFile: values.chart && resolve(values.chart),
    writesDocs: values["write-docs"],
  };
};
