import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkAnswers } from "./check-answers.ts";
import { measureDecisions } from "./decisions.ts";
import { describeMachine } from "./machine.ts";
import { closedLoopBy, type LoadSetup, measure, type Sample } from "./measure.ts";
import { measureHeld } from "./measure-held.ts";
import type { BenchOptions } from "./options.ts";
import { choosePlacement } from "./placement.ts";
import type { Report, Results } from "./report.ts";
import { type Bench, engineCount, startContender, startEngines, type Started } from "./servers.ts";
import { measureStarts, summarizeStarts } from "./start.ts";
import { summarize } from "./summary.ts";
import { countSyscalls, type SyscallCount } from "./syscalls.ts";
import type { Workload } from "./workloads.ts";

const root = dirname(dirname(import.meta.dir));

const countAll = async (
  targets: readonly Started[],
  workloads: readonly Workload[],
  load: LoadSetup,
  progress: (line: string) => void,
): Promise<Results["syscalls"]> => {
  if (Bun.which("strace") === null) return { missing: "strace is not installed" };
  const counts: SyscallCount[] = [];
  for (const target of targets) {
    progress(`${target.name}: counts system calls`);
    for (const workload of workloads) {
      const count = await countSyscalls(target, workload, load);
      if (count) counts.push(count);
    }
  }
  return counts;
};

/** For which a contender is warmed up again before each measurement. */
const AGAIN_SECONDS = 1;

/** What of the options says what is measured. */
export type BenchPlan = Omit<BenchOptions, "jsonFile" | "maxRatio" | "chartFile" | "writesDocs">;

/**
 * Starts the engine and every contender, sees that all answers are right, then measures one after the other,
 * round after round. Everything that was started is ended with `children`.
 */
export const runBench = async (
  options: BenchPlan,
  children: AsyncDisposableStack,
  progress: (line: string) => void,
): Promise<Report> => {
  const { workloads, heldWorkloads, starting, contenders, rounds, seconds, warmUpSeconds, connections } =
    options;
  const machine = await describeMachine();
  const placement = await choosePlacement();
  const folder = await mkdtemp(join(tmpdir(), "vllm-router-bench-"));
  children.defer(async () => rm(folder, { recursive: true, force: true }));
  const bench: Bench = {
    root,
    folder,
    placement,
    children,
    binary: options.binary,
    pythonRouter: options.pythonRouter,
  };

  const most = Math.max(...contenders.map(engineCount));
  const engines = await startEngines(most, bench);
  const targets: Started[] = [];
  const missing = new Map<string, string>();
  for (const contender of contenders) {
    const started = await startContender(contender, engines, bench);
    if ("missing" in started) missing.set(contender.name, started.missing);
    else targets.push(started);
  }

  const load: LoadSetup = {
    root,
    folder,
    cpu: placement?.load,
    hasWrk: machine.wrk !== undefined,
    seconds,
    connections,
  };
  for (const target of targets) {
    progress(`${target.name}: checks the answers and warms up`);
    for (const workload of workloads) {
      await checkAnswers(`http://127.0.0.1:${target.port}`, workload);
      await measure(target, workload, 0, { ...load, seconds: warmUpSeconds });
    }
  }

  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const target of targets) {
      progress(`round ${round} of ${rounds}: ${target.name}`);
      for (const workload of workloads) {
        // Code that rested while others were measured is slower at first.
        await measure(target, workload, 0, { ...load, seconds: Math.min(AGAIN_SECONDS, warmUpSeconds) });
        samples.push(await measure(target, workload, round, load));
      }
    }
  }

  const syscalls = options.countsSyscalls ? await countAll(targets, workloads, load, progress) : undefined;
  for (const target of targets) await target.stop();

  const { held, samples: heldSamples } = await measureHeld(
    { workloads: heldWorkloads, contenders, rounds, engines },
    bench,
    { ...load, warmUpSeconds },
    progress,
  );

  const starts = await measureStarts({ contenders: starting, rounds, engines }, bench, progress);
  const started = new Set(starts.samples.map(({ contender }) => contender));

  return {
    machine,
    settings: {
      rounds,
      seconds,
      engines: engineCount({}),
      router: options.binary === undefined ? "source" : "executable",
      placement: placement ?? "none",
      closedLoop: closedLoopBy(load),
    },
    contenders: [...new Set([...contenders, ...starting])].map(({ name, summary }) => {
      const reason = missing.get(name) ?? starts.missing.get(name);
      return reason === undefined ? { name, summary } : { name, summary, missing: reason };
    }),
    workloads: workloads.map((workload) => ({
      name: workload.name,
      summary: workload.summary,
      ratePerSecond: workload.ratePerSecond,
      connections: workload.connections && (connections ?? workload.connections),
      latencyTo: workload.latencyTo,
      pieces: workload.answer.pieces.length,
      rows: targets.map(({ name }) => summarize(name, workload, samples)),
    })),
    held,
    ...(syscalls === undefined ? {} : { syscalls }),
    starts: [...started].map((name) => summarizeStarts(name, starts.samples)),
    samples,
    heldSamples,
    decisions: options.decides ? await measureDecisions(Math.random) : [],
    startSamples: starts.samples,
  };
};
