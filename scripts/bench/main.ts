import { dirname, join } from "node:path";
import { runBench } from "./bench.ts";
import { drawResults } from "./chart.ts";
import { judgeRatios } from "./guard.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { performancePages, RESULTS } from "./page.ts";
import { errorCount, formatReport, resultsOf } from "./report.ts";

// `bun run bench`: the exit status is 0 when everything was measured, every answer was right and --max-ratio held,
// 2 for a wrong command line.

const root = dirname(dirname(import.meta.dir));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const bench = async (options: BenchOptions): Promise<number> => {
  await using children = new AsyncDisposableStack();
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      void children.disposeAsync().finally(() => process.exit(status));
    });
  }
  const report = await runBench(options, children, say);
  process.stdout.write(`${formatReport(report)}\n`);
  if (options.jsonFile !== undefined)
    await Bun.write(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  if (options.chartFile !== undefined) await Bun.write(options.chartFile, drawResults(report));
  if (options.writesDocs) {
    await Bun.write(join(root, RESULTS), `${JSON.stringify(resultsOf(report))}\n`);
    for (const [path, text] of Object.entries(await performancePages(root)))
      await Bun.write(join(root, path), text);
  }
  const judgements = options.maxRatio === undefined ? [] : judgeRatios(report, options.maxRatio);
  for (const { line } of judgements) process.stdout.write(`${line}\n`);
  return errorCount(report) === 0 && judgements.every(({ isGood }) => isGood) ? 0 : 1;
};

const main = async (): Promise<number> => {
  let options: BenchOptions | "help";
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (options === "help") {
    process.stdout.write(usage);
    return 0;
  }
  if (process.platform !== "linux") {
    say("bench: CPU time is read from /proc, which only Linux has");
    return 1;
  }
  try {
    return await bench(options);
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
};

process.exitCode = await main();
