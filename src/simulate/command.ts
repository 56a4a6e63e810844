import type { Clock } from "../core/clock.ts";
import type { OptionValues } from "../core/option.ts";
import type { SchedulerConfig } from "../mock-engine/scheduler.ts";
import { drawChart } from "./chart.ts";
import { type Comparison, comparePolicies } from "./comparison.ts";
import { parseFleet, engineOf } from "./engine-kinds.ts";
import { type FaultEvent, parseFaults } from "./fault-events.ts";
import type { simulateOptions } from "./options.ts";
import { describeRuns } from "./report.ts";
import { sharedPrefix } from "./workloads/shared-prefix.ts";
import { workloads } from "./workloads/catalog.ts";
import { parseTrace, replay, type TraceRequest } from "./workloads/trace.ts";

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

const workloadOf = async (
  values: Values,
  engines: number,
  deps: SimulateDeps,
): Promise<Comparison["createWorkload"]> => {
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

  const seeds = Array.from({ length: values.seeds }, (_, index) => values.seed + index);
  const results = await comparePolicies(
    {
      policies: values.policies,
      options: values,
      seeds,
      createWorkload,
      engines,
      faults,
      ttftLimitMs: values.ttftLimitMs,
    },
    { monotonic: clock.monotonic, signal },
  );
  if (values.chart !== undefined) {
    const title = `${values.trace ?? values.workload} at rate ${values.rate} on ${values.engines} engines`;
    await deps.writeFile(values.chart, drawChart(results, title)).catch((error: unknown) => {
      throw about(`--chart: cannot write ${values.chart}`, error);
    });
  }
  write(values.json ? `${JSON.stringify(results, undefined, 2)}\n` : describeRuns(results, columns()));
};
