import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultsOf } from "../src/core/option.ts";
import { defaultMockEngineConfig } from "../src/mock-engine/options.ts";
import { systemClock } from "../src/platform.ts";
import { policies, policyOptions } from "../src/routing/index.ts";
import { drawChart } from "../src/simulate/chart.ts";
import { comparePolicies } from "../src/simulate/comparison.ts";
import { engineOf, parseFleet } from "../src/simulate/engine-kinds.ts";
import { simulatedPolicies } from "../src/simulate/policies.ts";
import { SESSION_HEADER } from "../src/simulate/simulation.ts";
import { workloads } from "../src/simulate/workloads/catalog.ts";
import { type Cell, describeCells } from "./routing-results.ts";

// `npm run docs:routing` plays every policy on every workload and load, and writes the results into docs/routing.md
// between its two marks. It takes minutes: `npm run docs` does not run it.

const usage = `Usage: npm run docs:routing [-- options]

Options:
  --requests <count>   requests of each run (2500)
  --seeds <count>      runs of each policy in each cell (3)
  --workloads <names>  comma-separated (all); others than all are printed, not written
`;

const RATES = [0.6, 1, 1.4];
const EVEN_FLEET = "8";
const MIXED_FLEET = "4xfast,4xslow";
/** Workloads that are also played on a mixed fleet. */
const MIXED = new Set(["shared-prefix", "multi-round", "uniform"]);
/** The cell that is drawn. */
const DRAWN = { workload: "shared-prefix", rate: 1.4, fleet: EVEN_FLEET };

const BEGIN = "<!-- results: npm run docs:routing writes what follows -->";
const END = "<!-- end of results -->";

const standard = defaultMockEngineConfig();
const options = { ...defaultsOf(policyOptions), sessionKey: SESSION_HEADER };

const play = async (cell: Omit<Cell, "policies">, requests: number, seedCount: number): Promise<Cell> => {
  const module = workloads.find(({ name }) => name === cell.workload);
  if (!module) throw new Error(`there is no workload ${cell.workload}`);
  const engines = parseFleet(cell.fleet).map((kind) => engineOf(kind, standard) ?? standard);
  const size = { requests, rate: cell.rate, engines: engines.length };
  const runs = await comparePolicies(
    {
      policies: simulatedPolicies.map(({ name }) => name),
      options,
      seeds: Array.from({ length: seedCount }, (_, index) => index + 1),
      createWorkload: (seed) => module.create({ ...size, seed }),
      engines,
      faults: [],
      ttftLimitMs: 2000,
    },
    systemClock,
  );
  return { ...cell, policies: runs };
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "2500" },
      seeds: { type: "string", default: "3" },
      workloads: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const chosen = values.workloads?.split(",") ?? workloads.map(({ name }) => name);
  const cells: Cell[] = [];
  for (const workload of chosen) {
    for (const fleet of MIXED.has(workload) ? [EVEN_FLEET, MIXED_FLEET] : [EVEN_FLEET]) {
      for (const rate of RATES) {
        process.stderr.write(`${workload} at rate ${rate} on ${fleet} engines\n`);
        cells.push(await play({ workload, rate, fleet }, Number(values.requests), Number(values.seeds)));
      }
    }
  }
  const results = describeCells(cells, {
    ours: Object.keys(policies),
    requests: Number(values.requests),
    seeds: Number(values.seeds),
  });
  if (values.workloads !== undefined) {
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
    ({ workload, rate, fleet }) =>
      workload === DRAWN.workload && rate === DRAWN.rate && fleet === DRAWN.fleet,
  );
  const title = `${DRAWN.workload} at rate ${DRAWN.rate} on ${DRAWN.fleet} engines`;
  await Bun.write(join(docs, "routing.svg"), drawChart(drawn?.policies ?? [], title));
  return 0;
};

process.exitCode = await main();
