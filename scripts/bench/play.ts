import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultsOf } from "../../src/core/option.ts";
import { defaultMockEngineConfig } from "../../src/mock-engine/options.ts";
import { systemClock } from "../../src/platform.ts";
import { policyOptions } from "../../src/routing/index.ts";
import { comparePolicies } from "../../src/simulate/comparison.ts";
import type { Measures } from "../../src/simulate/measures.ts";
import { SESSION_HEADER } from "../../src/simulate/simulation.ts";
import { workloads } from "../../src/simulate/workloads/catalog.ts";
import { freePorts, startChild } from "./child.ts";
import { playWorkload } from "./play-workload.ts";
import { describeRanking, type Outcome } from "./ranking.ts";

// Plays a workload of `vllm-router simulate` over real HTTP: against simulated engines behind the router, beside the
// simulation of the same, or against any router that is there already.

const usage = `Usage: node scripts/bun.mjs scripts/bench/play.ts [options]

Options:
  --workload <name>      ${workloads.map(({ name }) => name).join(", ")} (shared-prefix)
  --requests <count>     (200)
  --rate <factor>        load, as in vllm-router simulate (1)
  --engines <count>      simulated engines to start, or for which a router's load is meant (2)
  --policies <names>     routing logics of vllm-router, one run each (roundrobin)
  --seed <number>        (1)
  --time-scale <factor>  speed of the engines and of the workload (1)
  --url <url>            a router that is there already, with engines of that speed; nothing is started
  --model <name>         what it serves (m)

More than 256 requests at once need BUN_CONFIG_MAX_HTTP_REQUESTS in the environment.
`;

const TTFT_LIMIT_MS = 2000;
const MAX_MODEL_LEN = "200000";

const figures: readonly (readonly [title: string, of: (measures: Measures) => number])[] = [
  ["TTFT mean, ms", ({ ttftMeanMs }) => ttftMeanMs],
  ["TTFT p50", ({ ttftP50Ms }) => ttftP50Ms],
  ["TTFT p90", ({ ttftP90Ms }) => ttftP90Ms],
  ["between tokens, mean", ({ interTokenMeanMs }) => interTokenMeanMs],
  ["whole answer, mean", ({ endToEndMeanMs }) => endToEndMeanMs],
  ["hits, %", ({ hitRate }) => 100 * hitRate],
  ["goodput, %", ({ goodput }) => 100 * goodput],
];

const compare = (real: Measures, simulated: Measures | undefined): string =>
  figures
    .map(([title, of]) => {
      const measured = of(real);
      if (!simulated) return `  ${title.padEnd(22)}${measured.toFixed(1).padStart(9)}`;
      const expected = of(simulated);
      const off = expected === 0 ? 0 : (100 * (measured - expected)) / expected;
      const cells = [measured.toFixed(1), expected.toFixed(1), `${off >= 0 ? "+" : ""}${off.toFixed(1)} %`];
      return `  ${title.padEnd(22)}${cells.map((cell) => cell.padStart(10)).join("")}`;
    })
    .join("\n");

/** Engines and a router before them, each a process of its own. */
const startFleet = async (
  engines: number,
  policy: string,
  timeScale: string,
  children: AsyncDisposableStack,
) => {
  const folder = await mkdtemp(join(tmpdir(), "play-"));
  children.defer(async () => rm(folder, { recursive: true }));
  const root = join(import.meta.dir, "..", "..");
  const program = [process.execPath, join(root, "src/main.ts")];
  const [port = 0, ...ports] = freePorts(engines + 1);
  const start = async (name: string, on: number, args: readonly string[]) =>
    children.use(
      await startChild({
        name,
        command: [...program, ...args],
        cwd: root,
        outputFile: join(folder, `${name}-${on}.log`),
        ports: [on],
      }),
    );
  const speed = ["--time-scale", timeScale, "--max-model-len", MAX_MODEL_LEN, "--served-model-name", "m"];
  await Promise.all(
    ports.map(async (on) => start("mock-engine", on, ["mock-engine", "--port", `${on}`, ...speed])),
  );
  const backends = ports.map((on) => `http://127.0.0.1:${on}`).join(",");
  const routing = ["--routing-logic", policy, "--session-key", SESSION_HEADER, "--log-level", "warning"];
  const listen = ["--host", "127.0.0.1", "--port", `${port}`, "--drain-delay-seconds", "0"];
  const models = ports.map(() => "m").join(",");
  const discovery = [
    "--service-discovery",
    "static",
    "--static-backends",
    backends,
    "--static-models",
    models,
  ];
  await start("router", port, [...listen, ...discovery, ...routing]);
  return `http://127.0.0.1:${port}`;
};

/** Lets nothing that was started outlive this process. */
const endOnSignals = (children: AsyncDisposableStack): Disposable => {
  const end = (): void => void children.disposeAsync().finally(() => process.exit(1));
  process.once("SIGINT", end).once("SIGTERM", end);
  return { [Symbol.dispose]: () => process.off("SIGINT", end).off("SIGTERM", end) };
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      workload: { type: "string", default: "shared-prefix" },
      requests: { type: "string", default: "200" },
      rate: { type: "string", default: "1" },
      engines: { type: "string", default: "2" },
      policies: { type: "string", default: "roundrobin" },
      seed: { type: "string", default: "1" },
      "time-scale": { type: "string", default: "1" },
      url: { type: "string" },
      model: { type: "string", default: "m" },
      help: { type: "boolean", default: false },
    },
  });
  const module = workloads.find(({ name }) => name === values.workload);
  if (values.help || !module) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const timeScale = Number(values["time-scale"]);
  const engines = Number(values.engines);
  const size = { requests: Number(values.requests), rate: Number(values.rate), engines };
  const createWorkload = (seed: number) => module.create({ ...size, seed });
  const play = async (url: string, model: string) =>
    playWorkload(createWorkload(Number(values.seed)), { url, model, timeScale, ttftLimitMs: TTFT_LIMIT_MS });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);

  const outcomes: Outcome[] = [];
  let failures = 0;
  for (const policy of values.url === undefined ? values.policies.split(",") : ["the router"]) {
    await using children = new AsyncDisposableStack();
    using _ending = endOnSignals(children);
    const url = values.url ?? (await startFleet(engines, policy, values["time-scale"], children));
    const { measures, lagMs, errors } = await play(url, values.url === undefined ? "m" : values.model);
    const simulated =
      values.url === undefined
        ? await comparePolicies(
            {
              policies: [policy],
              options: { ...defaultsOf(policyOptions), sessionKey: SESSION_HEADER },
              seeds: [Number(values.seed)],
              createWorkload,
              engines: Array.from({ length: engines }, defaultMockEngineConfig),
              faults: [],
              ttftLimitMs: TTFT_LIMIT_MS,
            },
            systemClock,
          )
        : [];
    say(
      `${values.workload}, ${size.requests} requests at rate ${size.rate} on ${engines} engines: ${policy}`,
    );
    if (simulated.length > 0) say(`  ${"".padEnd(22)}      real simulated       off`);
    say(compare(measures, simulated[0]?.runs[0]));
    say(`  requests were sent ${lagMs.toFixed(1)} ms late in the mean; ${errors.length} failed`);
    for (const error of errors.slice(0, 3)) say(`  ${error}`);
    failures += errors.length;
    const expected = simulated[0]?.runs[0];
    if (expected) outcomes.push({ policy, real: measures.ttftMeanMs, simulated: expected.ttftMeanMs });
  }
  if (outcomes.length > 1) say(describeRanking(outcomes));
  return failures === 0 ? 0 : 1;
};

process.exitCode = await main();
