import { describe, expect, test } from "bun:test";
import { scrape } from "../../support/at-rest.ts";
import { type Load, startLoad } from "../../support/load.ts";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../../support/processes.ts";
import { percentile } from "../../support/statistics.ts";

const CLIENTS = 6;
const PAUSE_MS = 10;

const PROBE_INTERVAL_MS = 500;
const PROBE_TIMEOUT_MS = 300;
const FALL = 3;
const JITTER = 1.2;
const EJECTION_MS = 500;
/** From one change of mind about an engine to the next. */
const HOLD_DOWN_MS = 3 * EJECTION_MS;

const CYCLES = 24;
const UP_MS = 600;
const DOWN_MS = 400;
/** Failures in a row that eject an engine, and what may be on it beside the last one. */
const MOST_A_DEATH = 5 + CLIENTS;

const FROZEN_MS = 5000;
/** From which on an engine that still takes connections is no longer taken for busy. */
const BUSY_MS = 10_000;

const startEngine = async (port = 0): Promise<EngineProcess> =>
  startEngineProcess(["--served-model-name=m", "--time-scale=0"], port);

const startOver = async (
  engines: readonly EngineProcess[],
  ...more: readonly string[]
): Promise<RunningProcess> =>
  startRouterProcess([
    ...staticArgs(engines.map(({ url }) => ["m", url] as const)),
    "--routing-logic=roundrobin",
    `--health-check-interval-secs=${PROBE_INTERVAL_MS / 1000}`,
    `--health-check-timeout-secs=${PROBE_TIMEOUT_MS / 1000}`,
    `--cb-timeout-duration-secs=${EJECTION_MS / 1000}`,
    ...more,
  ]);

/** An engine that is killed and started again and again; resolves to what each of its lives answered. */
const flap = async (first: EngineProcess): Promise<readonly number[]> => {
  const answered: number[] = [];
  let engine = first;
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    await Bun.sleep(UP_MS);
    answered.push((await engine.state()).finished);
    engine.child.kill("SIGKILL");
    await engine.child.exited;
    await Bun.sleep(DOWN_MS);
    engine = await startEngine(first.port);
  }
  await engine[Symbol.asyncDispose]();
  return answered;
};

/** Everything that a router has logged; it ends with that. */
const logOf = async ({ child }: RunningProcess): Promise<readonly string[]> => {
  child.kill("SIGTERM");
  return `${await child.text("stdout")}${await child.text("stderr")}`.split("\n");
};

/** The numbers of seconds that lines tell of. */
const secondsIn = (lines: readonly string[], pattern: RegExp): number[] =>
  lines.flatMap((line) => [...line.matchAll(pattern)].map(([, seconds]) => Number(seconds)));

const tell = ({ statuses, times }: Load): string =>
  `${statuses.length} requests, p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms, longest ${Math.max(...times).toFixed(0)} ms`;

describe("one of three engines", () => {
  test(`is killed and started again ${CYCLES} times: no request fails, and it is left out for longer and longer`, async () => {
    await using steady = new AsyncDisposableStack();
    const flapping = await startEngine();
    const others = [steady.use(await startEngine()), steady.use(await startEngine())];
    await using router = await startOver([flapping, ...others]);
    const load = startLoad(router, CLIENTS, PAUSE_MS);
    const begin = performance.now();
    const answered = await flap(flapping);
    const tookMs = performance.now() - begin;
    await load.stop();
    const retries = (await scrape(router)).value("vllm_router_retries_total") ?? 0;
    const lines = await logOf(router);
    const warnings = lines.filter((line) => line.includes("WARNING"));
    const changes = lines.filter((line) =>
      /Engine \S+ (?:gets no requests|answers again|is (?:un)?healthy)/.test(line),
    );
    const waits = secondsIn(lines, /gets no requests for ([\d.]+) s/g);
    const outFor = secondsIn(lines, /answers again and gets requests, after ([\d.]+) s/g);
    const served = answered.filter((count) => count > 0).length;
    console.info(
      `${CYCLES} deaths in ${(tookMs / 1000).toFixed(0)} s: ${tell(load)}, ${load.failed()} failed, ${retries} further attempts; ` +
        `the engine was to be left out for ${waits.join(", ")} s, was for ${outFor.join(", ")} s, and served in ${served} of its lives; ${warnings.length} warnings`,
    );
    expect(load.failed()).toBe(0);
    expect(Math.max(...waits)).toBeGreaterThan(3 * (waits[0] ?? 0));
    // However often it comes meanwhile.
    expect(outFor.filter((seconds, nth) => seconds < (waits[nth] ?? 0))).toEqual([]);
    expect(served).toBeLessThan(0.8 * CYCLES);
    expect(answered.at(0)).toBeGreaterThan(0);
    expect(changes.length).toBeLessThanOrEqual(1 + tookMs / HOLD_DOWN_MS);
    expect(warnings.length).toBeLessThan(CYCLES * MOST_A_DEATH);
    expect(warnings.length).toBeLessThanOrEqual(retries + changes.length);
  }, 120_000);

  test("is frozen: no request fails, none waits much longer than an engine may be busy, and it gets its share when it goes on", async () => {
    await using engines = new AsyncDisposableStack();
    const frozen = engines.use(await startEngine());
    const others = [engines.use(await startEngine()), engines.use(await startEngine())];
    await using router = await startOver([frozen, ...others], "--slow-start-secs=0");
    const load = startLoad(router, CLIENTS, PAUSE_MS);
    await load.further(100);
    frozen.child.kill("SIGSTOP");
    const begin = performance.now();
    await router.child.until(new RegExp(`WARNING: Engine ${frozen.url} (?:is unhealthy|gets no requests)`));
    const noticedMs = performance.now() - begin;
    const before = load.statuses.length;
    await Bun.sleep(FROZEN_MS);
    const meanwhile = load.statuses.length - before;
    frozen.child.kill("SIGCONT");
    await router.child.until(new RegExp(`INFO: Engine ${frozen.url} is healthy again`));
    const { finished } = await frozen.state();
    await load.further(150);
    await load.stop();
    const share = (await frozen.state()).finished - finished;
    const warnings = (await logOf(router)).filter((line) => line.includes("WARNING"));
    console.info(
      `frozen for ${FROZEN_MS / 1000} s, noticed after ${noticedMs.toFixed(0)} ms: ${tell(load)}, ${load.failed()} failed, ` +
        `${meanwhile} served meanwhile; ${share} of the next 150 by the engine; ${warnings.length} warnings`,
    );
    expect(load.failed()).toBe(0);
    // Whoever is on it waits until so many of its probes have failed in a row that it cannot be busy.
    const mostMs = BUSY_MS + JITTER * PROBE_INTERVAL_MS * FALL + PROBE_TIMEOUT_MS;
    expect(Math.max(...load.times)).toBeLessThan(mostMs + 2000);
    expect(meanwhile).toBeGreaterThan(FROZEN_MS / 100);
    expect(share).toBeGreaterThan(30);
    expect(warnings.length).toBeLessThanOrEqual(3 * CLIENTS);
  }, 60_000);
});
