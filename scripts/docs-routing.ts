import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultsOf } from "../src/core/option.ts";
import { defaultMockEngineConfig } from "../src/mock-engine/options.ts";
import { systemClock } from "../src/platform.ts";
import { policies, policyOptions } from "../src/routing/index.ts";
import { drawChart } from "../src/simulate/chart.ts";
import { comparePolicies } from "../src/simulate/comparison.ts";
import { engineOf, parseFleet } from "../src/simulate/engine-kinds.ts";
import { parseFaults } from "../src/simulate/fault-events.ts";
import { simulatedPolicies } from "../src/simulate/policies.ts";
import { SESSION_HEADER } from "../src/simulate/simulation.ts";
import { workloads } from "../src/simulate/workloads/catalog.ts";
import { describeCells } from "./routing-results.ts";
import type { Cell } from "./routing-standing.ts";

// `npm run docs:routing` plays every policy on every workload and load, and writes the results into docs/routing.md
// between its two marks. It takes minutes: `npm run docs` does not run it.

const usage = `Usage: npm run docs:routing [-- options]

Options:
  --requests <count>   requests of each run (1500)
  --seeds <count>      runs of each policy in each cell (3)
  --first-seed <n>     of these (201): policies are tuned on the seeds from 1 on, and judged on others
  --workloads <names>  comma-separated (all); others than all are printed, not written
  --policies <names>   comma-separated (all); others than all are printed, not written
`;

const RATES = [0.6, 1, 1.4];
const EVEN_FLEET = "8";
const MIXED_FLEET = "4xfast,4xslow";
/** Workloads that are also played on a mixed fleet. */
const MIXED = new Set(["shared-prefix", "multi-round", "uniform"]);
/** Workloads that are also played while something befalls the fleet, and what. */
const TROUBLED = new Set(["shared-prefix", "multi-round"]);
const TROUBLES = ["die:1@30-60", "slow:1@30-60x4", "join:fast@30"];
/** The cell that is drawn. */
const DRAWN = { workload: "shared-prefix", rate: 1.4, fleet: EVEN_FLEET };

const BEGIN = "<!-- results: npm run docs:routing writes what follows -->";
const END = "<!-- end of results -->";

const standard = defaultMockEngineConfig();
const options = { ...defaultsOf(policyOptions), sessionKey: SESSION_HEADER };

interface Effort {
  readonly requests: number;
  readonly seeds: readonly number[];
  /** Names of policies. */
  readonly policies: readonly string[];
}

/** What is played, without its results. */
type Plan = Omit<Cell, "policies">;

const plansOf = (workload: string): readonly Plan[] => [
  ...(MIXED.has(workload) ? [EVEN_FLEET, MIXED_FLEET] : [EVEN_FLEET]).flatMap((fleet) =>
    RATES.map((rate) => ({ workload, rate, fleet, faults: "" })),
  ),
  ...(TROUBLED.has(workload) ? TROUBLES : []).map((faults) => ({
    workload,
    rate: 1,
    fleet: EVEN_FLEET,
    faults,
  })),
];

const play = async (cell: Plan, { requests, seeds, policies: names }: Effort): Promise<Cell> => {
  const module = workloads.find(({ name }) => name === cell.workload);
  if (!module) throw new Error(`there is no workload ${cell.workload}`);
  const engines = parseFleet(cell.fleet).map((kind) => engineOf(kind, standard) ?? standard);
  const size = { requests, rate: cell.rate, engines: engines.length };
  const runs = await comparePolicies(
    {
      policies: names,
      options,
      seeds,
      createWorkload: (seed) => module.create({ ...size, seed }),
      engines,
      faults: parseFaults(cell.faults, engines.length, standard),
      ttftLimitMs: 2000,
    },
    systemClock,
  );
  return { ...cell, policies: runs };
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "1500" },
      seeds: { type: "string", default: "3" },
      "first-seed": { type: "string", default: "201" },
      workloads: { type: "string" },
      policies: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const chosen = values.workloads?.split(",") ?? workloads.map(({ name }) => name);
  const effort: Effort = {
    requests: Number(values.requests),
    seeds: Array.from({ length: Number(values.seeds) }, (_, index) => Number(values["first-seed"]) + index),
    policies: values.policies?.split(",") ?? simulatedPolicies.map(({ name }) => name),
  };
  const cells: Cell[] = [];
  for (const plan of chosen.flatMap(plansOf)) {
    process.stderr.write(`${plan.workload} at rate ${plan.rate} on ${plan.fleet} engines ${plan.faults}\n`);
    cells.push(await play(plan, effort));
  }
  const results = describeCells(cells, { ...effort, ours: Object.keys(policies) });
  if (values.workloads !== undefined || values.policies !== undefined) {
    process.stdout.write(`${results}\n`);
    return 0;
  }
  const docs = join(import.meta.dir, "..", "docs");
  const page = Bun.file(join(docs, "routing.md"));
  const text = await page.text();
  const [before, rest = ""] = text.split(BEGIN);
  const [, after] = rest.split(END);
  if (after === undefined) throw new Error(`docs/routing.md lacks ${BEGIN} or ${END}`);
  await page.write(`${before}${BEGIN}\n\n${results}\n\n${END}${after}`);
  const drawn = cells.find(
    ({ workload, rate, fleet, faults }) =>
      workload === DRAWN.workload && rate === DRAWN.rate && fleet === DRAWN.fleet && faults === "",
  );
  const title = `${DRAWN.workload} at rate ${DRAWN.rate} on ${DRAWN.fleet} engines`;
  await Bun.write(join(docs, "routing.svg"), drawChart(drawn?.policies ?? [], title));
  return 0;
};

process.exitCode = await main();
