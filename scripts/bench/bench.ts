import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkAnswers } from "./check-answers.ts";
import { freePorts, startChild } from "./child.ts";
import type { Contender } from "./contenders.ts";
import { describeMachine } from "./machine.ts";
import { closedLoopBy, type LoadSetup, measure, type Sample, type Target } from "./measure.ts";
import type { BenchOptions } from "./options.ts";
import { choosePlacement, onCpu, type Placement } from "./placement.ts";
import type { Report } from "./report.ts";
import { summarize } from "./summary.ts";

const ENGINES = 2;
const root = dirname(dirname(import.meta.dir));

interface Bench {
  readonly folder: string;
  readonly placement: Placement | undefined;
  readonly children: AsyncDisposableStack;
  readonly binary: string | undefined;
  readonly pythonRouter: string | undefined;
}

const startEngines = async (
  count: number,
  { folder, placement, children }: Bench,
): Promise<readonly number[]> => {
  const ports = freePorts(count);
  const script = join(root, "scripts/bench/fixed-engine.ts");
  children.use(
    await startChild({
      name: "engine",
      command: onCpu(placement?.engine, [process.execPath, script, ...ports.map(String)]),
      cwd: folder,
      outputFile: join(folder, "engine.log"),
      ports,
    }),
  );
  return ports;
};

const startContender = async (
  { name, launch, engines: count = ENGINES }: Contender,
  ports: readonly number[],
  { folder, placement, children, binary, pythonRouter }: Bench,
): Promise<Target | { readonly missing: string }> => {
  const [port = 0] = freePorts(1);
  const urls = ports.slice(0, count).map((engine) => `http://127.0.0.1:${engine}`);
  const plan = await launch({ port, engines: urls, folder, root, binary, pythonRouter });
  switch (plan.kind) {
    case "missing":
      return { missing: plan.reason };
    case "none":
      return { name, port: ports[0] ?? 0, pid: undefined };
    case "process": {
      const { pid } = children.use(
        await startChild({
          name,
          command: onCpu(placement?.contender, plan.command),
          env: plan.env,
          cwd: folder,
          outputFile: join(folder, `${name}.log`),
          ports: [port],
        }),
      );
      return { name, port, pid };
    }
  }
};

/**
 * Starts the engine and every contender, sees that all answers are right, then measures one after the other,
 * round after round. Everything that was started is ended with `children`.
 */
export const runBench = async (
  options: BenchOptions,
  children: AsyncDisposableStack,
  progress: (line: string) => void,
): Promise<Report> => {
  const machine = await describeMachine();
  const placement = await choosePlacement();
  const folder = await mkdtemp(join(tmpdir(), "vllm-router-bench-"));
  children.defer(async () => rm(folder, { recursive: true, force: true }));
  const bench: Bench = {
    folder,
    placement,
    children,
    binary: options.binary,
    pythonRouter: options.pythonRouter,
  };

  const most = Math.max(...options.contenders.map(({ engines = ENGINES }) => engines));
  const engines = await startEngines(most, bench);
  const targets: Target[] = [];
  const missing = new Map<string, string>();
  for (const contender of options.contenders) {
    const started = await startContender(contender, engines, bench);
    if ("missing" in started) missing.set(contender.name, started.missing);
    else targets.push(started);
  }

  const { workloads, rounds, seconds, warmUpSeconds, connections } = options;
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
      for (const workload of workloads) samples.push(await measure(target, workload, round, load));
    }
  }

  return {
    machine,
    settings: {
      rounds,
      seconds,
      engines: ENGINES,
      router: options.binary === undefined ? "source" : "executable",
      placement: placement ?? "none",
      closedLoop: closedLoopBy(load),
    },
    contenders: options.contenders.map(({ name, summary }) => {
      const reason = missing.get(name);
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
    samples,
  };
};
