import { join } from "node:path";
import { parseArgs } from "node:util";
import { ABLATION, ablationOf, describeAblation, REQUESTS, STREAMS, withPart } from "./ablation-page.ts";
import { runBench } from "./bench.ts";
import { type Contender, contenders, FLOOR, ROUTER } from "./contenders.ts";
import { performancePages } from "./page.ts";
import { parts } from "./parts.ts";
import { errorCount } from "./report.ts";
import { workloads } from "./workloads.ts";

// What each part of the router costs: relays that have one part of it more each (scripts/bench/parts-relay.ts) are
// measured in turn and repeatedly beside the bare relay and the router, in front of the same engine, every answer
// checked first. The table on standard output is the section of docs/performance.md, of which --write-docs keeps the
// figures; the page itself is written where there are results of the whole benchmark.

const usage = `Usage: node scripts/bun.mjs scripts/bench/ablation.ts [options]

Options:
  --rounds <count>     times that every relay is measured (7)
  --seconds <seconds>  length of each measurement (2)
  --write-docs         makes the figures those of docs/performance.md
`;

const root = join(import.meta.dir, "..", "..");
const WARM_UP_SECONDS = 3;

const relays: readonly Contender[] = parts.map(({ name, summary }) => ({
  name: withPart(name),
  summary,
  launch: async ({ port, engines }) => ({
    kind: "process",
    command: [process.execPath, join(root, "scripts/bench/parts-relay.ts"), String(port), name, ...engines],
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" },
  }),
}));

const named = (name: string): readonly Contender[] =>
  contenders.filter((contender) => contender.name === name);

const measure = async (rounds: number, seconds: number, writesDocs: boolean): Promise<number> => {
  await using children = new AsyncDisposableStack();
  const end = (): void => void children.disposeAsync().finally(() => process.exit(1));
  process.once("SIGINT", end).once("SIGTERM", end);
  const report = await runBench(
    {
      rounds,
      seconds,
      warmUpSeconds: WARM_UP_SECONDS,
      connections: undefined,
      contenders: [...named(FLOOR), ...relays, ...named(ROUTER)],
      workloads: workloads.filter(({ name }) => name === REQUESTS || name === STREAMS),
      heldWorkloads: [],
      starting: [],
      binary: undefined,
      pythonRouter: undefined,
      decides: false,
      countsSyscalls: false,
    },
    children,
    (line) => void process.stderr.write(`${line}\n`),
  );
  const ablation = ablationOf(report);
  process.stdout.write(`${describeAblation(ablation)}\n`);
  if (writesDocs) {
    await Bun.write(join(root, ABLATION), `${JSON.stringify(ablation)}\n`);
    for (const [path, text] of Object.entries(await performancePages(root)))
      await Bun.write(join(root, path), text);
  }
  return errorCount(report) === 0 ? 0 : 1;
};

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "2" },
    "write-docs": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (values.help) process.stdout.write(usage);
else if (!(Number.isInteger(rounds) && rounds > 0 && seconds > 0)) {
  process.stderr.write(`ablation: --rounds and --seconds are numbers above 0\n\n${usage}`);
  process.exitCode = 2;
} else process.exitCode = await measure(rounds, seconds, values["write-docs"]);
