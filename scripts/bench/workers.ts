import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkAnswers } from "./check-answers.ts";
import type { ClosedLoopResult } from "./closed-loop.ts";
import { generate } from "./measure.ts";
import { byWorkerCount, workerCounts } from "./own-routers.ts";
import { engineCount, startContender, startEngines, type Started } from "./servers.ts";
import { spread } from "./statistics.ts";
import { ranged, tableOf } from "./text-table.ts";
import { readThreads, usedBetween } from "./threads.ts";
import { workloads } from "./workloads.ts";

/*
 * `bun run bench:workers`. What more workers bring and cost, each with as many connections as one has alone: a thread
 * that has less to do reads less at once and pays more for it, whoever it shares its work with. Where load, engine and
 * router share the processors, requests per second say how busy the machine is; CPU time does not. A thread serves no
 * more requests per second than its CPU time for each allows, so the busiest thread of a router is what bounds it
 * where there are processors enough.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "32" },
    binary: { type: "string" },
  },
});
const rounds = Number(values.rounds);
/** For each worker. */
const connections = Number(values.connections);
/** Each worker has its code compiled for itself, which would count as a cost of requests. */
const WARM_UP_SECONDS = 10;
const root = dirname(dirname(import.meta.dir));

interface Sample {
  readonly contender: string;
  readonly workload: string;
  /** Of all threads, and of the busiest one. */
  readonly microsPerRequest: number;
  readonly busiestMicros: number;
}

await using children = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), "vllm-router-workers-"));
children.defer(async () => rm(folder, { recursive: true, force: true }));
// The kernel places all threads: one processor for all workers would show nothing of them.
const bench = {
  root,
  folder,
  placement: undefined,
  children,
  binary: values.binary && resolve(values.binary),
  pythonRouter: undefined,
};
const load = { root, folder, cpu: undefined, hasWrk: false, seconds: Number(values.seconds), connections };
const engines = await startEngines(engineCount({}), bench);
const measured = workloads.filter(({ name }) => name === "json-1k" || name === "stream-64");

const workersOf = (name: string): number =>
  workerCounts[byWorkerCount.findIndex((contender) => contender.name === name)] ?? 1;

const measureOnce = async (
  { name, port, pid = 0 }: Started,
  workload: string,
  { seconds } = load,
): Promise<Sample> => {
  const before = await readThreads(pid);
  const result = await generate<ClosedLoopResult>(load, {
    loop: "closed",
    port,
    workload,
    seconds,
    connections: connections * workersOf(name),
  });
  const used = usedBetween(before, await readThreads(pid));
  if (result.errors > 0) throw new Error(`${name}: ${result.errors} answers were not right`);
  const [busiest = 0] = used;
  const micros = (ms: number): number => (ms * 1000) / result.requests;
  return {
    contender: name,
    workload,
    microsPerRequest: micros(used.reduce((sum, ms) => sum + ms, 0)),
    busiestMicros: micros(busiest),
  };
};

const targets: Started[] = [];
for (const contender of byWorkerCount) {
  const started = await startContender(contender, engines, bench);
  if ("missing" in started) throw new Error(`${contender.name}: ${started.missing}`);
  targets.push(started);
  for (const workload of measured) {
    await checkAnswers(`http://127.0.0.1:${started.port}`, workload);
    await measureOnce(started, workload.name, { ...load, seconds: WARM_UP_SECONDS });
  }
}

const samples: Sample[] = [];
for (let round = 1; round <= rounds; round += 1) {
  for (const { name: workload } of measured)
    for (const target of targets) samples.push(await measureOnce(target, workload));
}

const [first] = targets;

/** A contender beside the first one in the same round. */
const summarize = (contender: string, workload: string) => {
  const of = (name: string | undefined) =>
    samples.filter((sample) => sample.contender === name && sample.workload === workload);
  const own = of(contender);
  const pairs = of(first?.name).flatMap((one, round) =>
    own.slice(round, round + 1).map((each) => [each, one] as const),
  );
  return {
    contender,
    whole: spread(own.map(({ microsPerRequest }) => microsPerRequest)),
    wholeToOne: spread(pairs.map(([each, one]) => each.microsPerRequest / one.microsPerRequest)),
    busiest: spread(own.map(({ busiestMicros }) => busiestMicros)),
    rateToOne: spread(pairs.map(([each, one]) => one.busiestMicros / each.busiestMicros)),
  };
};

for (const { name: workload, summary } of measured) {
  const table = tableOf(
    [
      { title: "CPU us/request", cell: ({ whole }) => ranged(whole, 1) },
      { title: "to one worker", cell: ({ wholeToOne }) => ranged(wholeToOne, 2) },
      { title: "busiest thread", cell: ({ busiest }) => ranged(busiest, 1) },
      { title: "requests/s that it allows, to one worker", cell: ({ rateToOne }) => ranged(rateToOne, 2) },
    ],
    targets.map(({ name }) => summarize(name, workload)),
  );
  process.stdout.write(`\n${workload}: ${summary}\n${table}\n`);
}
