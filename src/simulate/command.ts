import type { Clock } from "../core/clock.ts";
import type { OptionValues } from "../core/option.ts";
import type { SchedulerConfig } from "../mock-engine/scheduler.ts";
import { drawChart } from "./chart.ts";
import { parseFleet, engineOf } from "./engine-kinds.ts";
import { type FaultEvent, parseFaults } from "./fault-events.ts";
import type { Measures } from "./measures.ts";
import type { simulateOptions } from "./options.ts";
import { type SimulatedPolicy, simulatedPolicies } from "./policies.ts";
import { describeRuns, type PolicyRuns } from "./report.ts";
import { simulate } from "./simulation.ts";
import { sharedPrefix } from "./workloads/shared-prefix.ts";
import { workloads } from "./workloads/catalog.ts";
import { parseTrace, replay, type TraceRequest } from "./workloads/trace.ts";
import type { Workload } from "./workloads/workload.ts";

const DEFAULT_REQUESTS = 4000;

/** What the command is lent. */
export interface SimulateDeps {
  readonly clock: Clock;
  readonly write: (text: string) => void;
  readonly columns: () => number;
  readonly readFile: (path: string) => Promise<string>;
  readonly writeFile: (path: string, text: string) => Promise<void>;
  /** Ends the simulation when it aborts. */
  readonly signal: AbortSignal;
}

type Values = OptionValues<typeof simulateOptions>;

/** Says which flag, or which of its parts, a problem is about. */
const about = (what: string, error: unknown): Error =>
  new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });

const readTrace = async (path: string, { readFile }: SimulateDeps): Promise<readonly TraceRequest[]> => {
  const text = await readFile(path).catch((error: unknown) => {
    throw about(`--trace: cannot read ${path}`, error);
  });
  try {
    return parseTrace(text);
  } catch (error) {
    throw about(`--trace: ${path}`, error);
  }
};

const readFaults = (text: string, engines: number, standard: SchedulerConfig): readonly FaultEvent[] => {
  try {
    return parseFaults(text, engines, standard);
  } catch (error) {
    throw about("--faults", error);
  }
};

/** Creates the workload of a run anew: its requests are walked once. */
type WorkloadSource = (seed: number) => Workload;

const workloadOf = async (values: Values, engines: number, deps: SimulateDeps): Promise<WorkloadSource> => {
  const { trace, workload, rate, requests } = values;
  if (trace !== undefined) {
    const recorded = await readTrace(trace, deps);
    return () => replay(recorded, { rate, limit: requests });
  }
  const named = workloads.find(({ name }) => name === workload) ?? sharedPrefix;
  return (seed) => named.create({ requests: requests ?? DEFAULT_REQUESTS, rate, engines, seed });
};

/** `vllm-router simulate`: plays a workload against simulated engines once for each policy, and prints what became of it. */
export const runSimulate = async (values: Values, deps: SimulateDeps): Promise<void> => {
  const { clock, write, columns, signal } = deps;
  const standard: SchedulerConfig = values;
  const engines = parseFleet(values.engines).map((kind) => engineOf(kind, standard) ?? standard);
  const faults = readFaults(values.faults, engines.length, standard);
  const createWorkload = await workloadOf(values, engines.length, deps);

  const run = async (policy: SimulatedPolicy, seed: number): Promise<Measures> =>
    simulate(
      {
        workload: createWorkload(seed),
        engines,
        faults,
        ttftLimitMs: values.ttftLimitMs,
        createPolicy: (view) => policy.create(view, values, seed),
      },
      { monotonic: clock.monotonic, signal },
    );

  const results: PolicyRuns[] = [];
  for (const name of values.policies) {
    const policy = simulatedPolicies.find((row) => row.name === name);
    if (!policy) continue;
    const runs: Measures[] = [];
    for (let seed = values.seed; seed < values.seed + values.seeds; seed += 1)
      runs.push(await run(policy, seed));
    results.push({ policy: name, runs });
  }
  if (values.chart !== undefined) {
    const title = `${values.trace ?? values.workload} at rate ${values.rate} on ${values.engines} engines`;
    await deps.writeFile(values.chart, drawChart(results, title)).catch((error: unknown) => {
      throw about(`--chart: cannot write ${values.chart}`, error);
    });
  }
  write(values.json ? `${JSON.stringify(results, undefined, 2)}\n` : describeRuns(results, columns()));
};
