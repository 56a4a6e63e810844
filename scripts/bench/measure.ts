import { join } from "node:path";
import { outputOf } from "./child.ts";
import type { ClosedLoopResult } from "./closed-loop.ts";
import { readUsage } from "./cpu.ts";
import type { LoadJob } from "./load.ts";
import type { OpenLoopResult } from "./open-loop.ts";
import { onCpu } from "./placement.ts";
import type { Workload } from "./workloads.ts";
import { parseWrk, wrkCommand } from "./wrk.ts";

/** A contender that listens, or the engine itself. */
export interface Target {
  readonly name: string;
  readonly port: number;
  /** Absent for the engine, whose CPU time is nobody's cost. */
  readonly pid: number | undefined;
}

/** What a process used during a measurement. */
export interface Cost {
  readonly cpuMs: number;
  /** From before the load generator started to after it ended. */
  readonly wallMs: number;
  /** Resident memory at the end. */
  readonly rssBytes: number;
}

/** One contender under one workload in one round. */
export interface Sample {
  readonly round: number;
  readonly contender: string;
  readonly workload: string;
  /** As fast as it can; absent where the workload has no closed loop. */
  readonly saturated?: ClosedLoopResult & { readonly cost?: Cost };
  /** At the workload's fixed rate. */
  readonly steady: OpenLoopResult & { readonly cost?: Cost };
}

/** How the load is made. */
export interface LoadSetup {
  readonly root: string;
  /** Gets the scripts of wrk. */
  readonly folder: string;
  /** CPU of the load generator. */
  readonly cpu: number | undefined;
  readonly hasWrk: boolean;
  readonly seconds: number;
  readonly connections: number | undefined;
}

/** Connections that an open loop starts with; it opens more when answers are late. */
const OPEN_LOOP_CONNECTIONS = 32;

/** Runs the load generator and gives what it saw. */
export const generate = async <Result>({ root, cpu }: LoadSetup, job: LoadJob): Promise<Result> => {
  const script = join(root, "scripts/bench/load.ts");
  return JSON.parse(await outputOf(onCpu(cpu, [process.execPath, script, JSON.stringify(job)]))) as Result;
};

/** Which generator makes the closed loops: wrk leaves more CPU to the engine, but counts in whole seconds. */
export const closedLoopBy = ({ hasWrk, seconds }: LoadSetup): "wrk" | "own" =>
  hasWrk && Number.isInteger(seconds) ? "wrk" : "own";

/** Loads as fast as answers come. */
const saturate = async (
  { port }: Target,
  workload: Workload,
  connections: number,
  setup: LoadSetup,
): Promise<ClosedLoopResult> => {
  const { folder, cpu, seconds } = setup;
  if (closedLoopBy(setup) === "own")
    return generate(setup, { loop: "closed", port, workload: workload.name, seconds, connections });
  const command = await wrkCommand({ workload, port, seconds, connections, folder });
  return parseWrk(await outputOf(onCpu(cpu, command)));
};

const withCost = async <Result extends object>(
  pid: number | undefined,
  load: () => Promise<Result>,
): Promise<Result & { readonly cost?: Cost }> => {
  if (pid === undefined) return load();
  const before = await readUsage(pid);
  const startedAt = performance.now();
  const result = await load();
  const wallMs = performance.now() - startedAt;
  const after = await readUsage(pid);
  return { ...result, cost: { cpuMs: after.cpuMs - before.cpuMs, wallMs, rssBytes: after.rssBytes } };
};

/** Measures one contender under one workload. */
export const measure = async (
  target: Target,
  workload: Workload,
  round: number,
  setup: LoadSetup,
): Promise<Sample> => {
  const connections = workload.connections && (setup.connections ?? workload.connections);
  const saturated =
    connections === undefined
      ? undefined
      : await withCost(target.pid, async () => saturate(target, workload, connections, setup));
  const { port } = target;
  const steady = await withCost(target.pid, async () =>
    generate<OpenLoopResult>(setup, {
      loop: "open",
      port,
      workload: workload.name,
      seconds: setup.seconds,
      connections: OPEN_LOOP_CONNECTIONS,
    }),
  );
  const of = { round, contender: target.name, workload: workload.name };
  return saturated === undefined ? { ...of, steady } : { ...of, saturated, steady };
};
