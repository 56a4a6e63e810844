import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkAnswers } from "./check-answers.ts";
import { outputOf } from "./child.ts";
import { type Contender, contenders, FLOOR, ROUTER } from "./contenders.ts";
import { readTree } from "./cpu.ts";
import type { LoadJob } from "./load.ts";
import { describeMachine } from "./machine.ts";
import { generate, type LoadSetup } from "./measure.ts";
import { performancePages } from "./page.ts";
import { choosePlacement } from "./placement.ts";
import { describeProfile, PROFILE, type Profile } from "./profile-page.ts";
import { type Bench, startContender, startEngines, type Started } from "./servers.ts";
import { countStacks, type Doing, doings } from "./stacks.ts";
import { type Workload, workloads } from "./workloads.ts";

// Where the CPU time of requests goes: the bare relay, the router and nginx in turn and repeatedly, in front of the
// same engine, every answer checked first, while `perf` looks at their stacks. The table on standard output is the
// section of docs/performance.md, of which --write-docs keeps the figures.

const usage = `Usage: node scripts/bun.mjs scripts/bench/profile.ts [options]

Options:
  --rounds <count>     times that every relay is looked at (5)
  --seconds <seconds>  length of each look (2)
  --binary <file>      the compiled router instead of the source
  --write-docs         makes the figures those of docs/performance.md
`;

const root = join(import.meta.dir, "..", "..");
/** Of CPU time between two looks at a stack. */
const PERIOD_MICROS = 250;
const WARM_UP_SECONDS = 3;
const CONNECTIONS = 32;

const named = (name: string): Workload => {
  const workload = workloads.find((each) => each.name === name);
  if (!workload) throw new Error(`no workload is called ${name}`);
  return workload;
};

interface Look {
  readonly workload: Workload;
  readonly loop: "open" | "closed";
}

/** A request as fast as it comes, and a stream at its workload's rate. */
const looks: readonly Look[] = [
  { workload: named("json-1k"), loop: "closed" },
  { workload: named("stream-64"), loop: "open" },
];

const jobOf = (port: number, { workload, loop }: Look, seconds: number): LoadJob => ({
  port,
  workload: workload.name,
  loop,
  seconds,
  connections: CONNECTIONS,
});

type Load = { readonly requests: number; readonly errors: number };

/** Looks at a process and its descendants while they are under load; stacks of each kind, and the requests meanwhile. */
const look = async (pid: number, folder: string, load: () => Promise<Load>) => {
  const file = join(folder, "perf.data");
  const pids = (await readTree(pid)).map((each) => each.pid).join(",");
  const options = ["-q", "-e", "cpu-clock", "-c", String(PERIOD_MICROS * 1000), "--call-graph", "fp"];
  const perf = Bun.spawn(["perf", "record", ...options, "-o", file, "-p", pids], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { requests, errors } = await load();
  perf.kill("SIGINT");
  const said = await perf.stderr.text();
  await perf.exited;
  if (errors > 0) throw new Error(`${errors} of ${requests} answers were wrong`);
  const stacks = countStacks(await outputOf(["perf", "script", "-i", file, "-F", "ip,sym,dso"]));
  if (stacks.size === 0) throw new Error(`perf saw nothing: ${said}`);
  return { requests, stacks };
};

/** Starts what is there of these, warm and with right answers. */
const startAll = async (wanted: readonly Contender[], bench: Bench, load: LoadSetup) => {
  const engines = await startEngines(2, bench);
  const started: Started[] = [];
  for (const contender of wanted) {
    const target = await startContender(contender, engines, bench);
    if ("missing" in target) process.stderr.write(`${contender.name} is missing: ${target.missing}\n`);
    else started.push(target);
  }
  for (const { port } of started)
    for (const each of looks) {
      await checkAnswers(`http://127.0.0.1:${port}`, each.workload);
      await generate(load, jobOf(port, each, WARM_UP_SECONDS));
    }
  return started;
};

const profile = async (
  rounds: number,
  seconds: number,
  binary: string | undefined,
  children: AsyncDisposableStack,
): Promise<Profile> => {
  const machine = await describeMachine();
  const placement = await choosePlacement();
  const folder = await mkdtemp(join(tmpdir(), "vllm-router-profile-"));
  children.defer(async () => rm(folder, { recursive: true, force: true }));
  const bench = { root, folder, placement, children, binary, pythonRouter: undefined };
  const load = { root, folder, cpu: placement?.load, hasWrk: false, seconds, connections: CONNECTIONS };
  const wanted = contenders.filter(({ name }) => [FLOOR, ROUTER, "nginx"].includes(name));
  const started = await startAll(wanted, bench, load);

  const rows = looks.flatMap((each) =>
    started.map(({ name, port, pid = 0 }) => ({
      contender: name,
      workload: each.workload.name,
      pid,
      job: jobOf(port, each, seconds),
      requests: 0,
      stacks: new Map<Doing, number>(),
    })),
  );
  for (let round = 1; round <= rounds; round += 1)
    for (const row of rows) {
      process.stderr.write(`round ${round} of ${rounds}: ${row.contender}, ${row.workload}\n`);
      const { requests, stacks } = await look(row.pid, folder, async () => generate<Load>(load, row.job));
      row.requests += requests;
      for (const [doing, count] of stacks) row.stacks.set(doing, (row.stacks.get(doing) ?? 0) + count);
    }

  const kinds = Object.keys(doings) as readonly Doing[];
  return {
    machine,
    seconds: rounds * seconds,
    rows: rows.map(({ contender, workload, requests, stacks }) => ({
      contender,
      workload,
      micros: Object.fromEntries(
        kinds.map((kind) => [
          kind,
          Number((((stacks.get(kind) ?? 0) * PERIOD_MICROS) / requests).toFixed(2)),
        ]),
      ) as Record<Doing, number>,
    })),
  };
};

const run = async (
  rounds: number,
  seconds: number,
  binary: string | undefined,
  writesDocs: boolean,
): Promise<void> => {
  await using children = new AsyncDisposableStack();
  const end = (): void => void children.disposeAsync().finally(() => process.exit(1));
  process.once("SIGINT", end).once("SIGTERM", end);
  const found = await profile(rounds, seconds, binary, children);
  process.stdout.write(`${describeProfile(found)}\n`);
  if (!writesDocs) return;
  await Bun.write(join(root, PROFILE), `${JSON.stringify(found)}\n`);
  for (const [path, text] of Object.entries(await performancePages(root)))
    await Bun.write(join(root, path), text);
};

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    binary: { type: "string" },
    "write-docs": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (values.help) process.stdout.write(usage);
else if (!(Number.isInteger(rounds) && rounds > 0 && seconds > 0)) {
  process.stderr.write(`profile: --rounds and --seconds are numbers above 0\n\n${usage}`);
  process.exitCode = 2;
} else if (Bun.which("perf") === null) {
  process.stderr.write("profile: perf is not installed (linux-perf in Debian, linux-tools in Ubuntu)\n");
  process.exitCode = 1;
} else await run(rounds, seconds, values.binary && resolve(values.binary), values["write-docs"]);
