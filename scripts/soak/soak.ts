import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtBinary } from "../../tests/support/binary.ts";
import { openFiles, residentKiB } from "../../tests/support/processes.ts";
import { startTroubledEngines } from "./faults.ts";
import type { Sample, Soaked } from "./report.ts";
import { type Outcome, type Visit, visit } from "./traffic.ts";

interface SoakOptions {
  readonly seconds: number;
  readonly clients: number;
}

const ENGINES = 4;
const RELOAD_EVERY_MS = 7000;
const SAMPLE_EVERY_MS = 1000;
/** Longer than engines keep an idle connection. */
const REST_MS = 7000;
const MOST_LOST = 10;
const GAUGES =
  /^(vllm:num_requests_running|vllm_router_active_streams|vllm_router_requests_under_way|vllm_router_queue_depth)\b.* [^0].*$/gm;

/** The compiled router, whose log goes to a file: a long soak says a lot. */
const startRouter = async (folder: string, args: readonly string[]) => {
  const path = join(folder, "log");
  const file = await open(path, "a");
  const child = Bun.spawn(
    [await builtBinary(), "--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", ...args],
    {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:VLLM_|BUN_)/.test(name))),
      stdio: ["ignore", file.fd, file.fd],
    },
  );
  const log = async (): Promise<string> => readFile(path, "utf8");
  for (let text = await log(); ; text = await log()) {
    const port = /listens on http:\S*:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { child, log, port: Number(port), close: async () => file.close() };
    if (child.exitCode !== null) throw new Error(text);
    await Bun.sleep(20);
  }
};

/** Runs mixed traffic, engines in trouble and reloads against one compiled router for a time. */
export const soak = async ({ seconds, clients }: SoakOptions): Promise<Soaked> => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "soak-"));
  parts.defer(async () => rm(folder, { recursive: true }));
  const engines = parts.use(await startTroubledEngines(ENGINES));
  const file = join(folder, "router.json");
  const configure = async (reload: number): Promise<unknown> =>
    Bun.write(
      file,
      JSON.stringify({
        static_backends: engines.urls.join(),
        static_models: engines.urls.map(() => "m").join(),
        routing_logic: ["roundrobin", "cacheaware", "leastload"][reload % 3],
      }),
    );
  await configure(0);
  const router = await startRouter(folder, [
    "--service-discovery=static",
    `--dynamic-config-json=${file}`,
    "--health-check-interval-secs=0.5",
    "--health-check-timeout-secs=0.5",
    "--cb-timeout-duration-secs=1",
    "--slow-start-secs=1",
    "--upstream-first-chunk-timeout-seconds=5",
    "--upstream-head-timeout-seconds=5",
    "--upstream-chunk-idle-timeout-seconds=5",
  ]);
  const { child, port } = router;
  parts.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
    await router.close();
  });

  const begin = performance.now();
  const over = new AbortController();
  const sample = async (): Promise<Sample> => ({
    seconds: (performance.now() - begin) / 1000,
    residentKiB: (await residentKiB(child.pid)) ?? 0,
    files: await openFiles(child.pid),
  });
  /** Does something again and again, with a pause, until time is over. */
  const repeat = async (pauseMs: number, task: () => Promise<void>): Promise<void> => {
    while (!over.signal.aborted) {
      await task();
      await Bun.sleep(pauseMs);
    }
  };

  const counts: Record<string, Partial<Record<Outcome, number>>> = {};
  const lost: Visit[] = [];
  const troubles: Record<string, number> = {};
  const samples: Sample[] = [];
  let reloads = 0;
  const before = await sample();
  const working = Array.from({ length: clients }, async () =>
    repeat(5, async () => {
      const each = await visit(port);
      const byOutcome = (counts[each.kind] ??= {});
      byOutcome[each.outcome] = (byOutcome[each.outcome] ?? 0) + 1;
      if (each.outcome === "lost" && lost.length < MOST_LOST) lost.push(each);
    }),
  );
  const troubling = repeat(500, async () => {
    const kind = await engines.trouble();
    troubles[kind] = (troubles[kind] ?? 0) + 1;
  });
  const reloading = repeat(RELOAD_EVERY_MS, async () => {
    await configure((reloads += 1));
    child.kill("SIGHUP");
  });
  const sampling = repeat(SAMPLE_EVERY_MS, async () => {
    samples.push(await sample());
  });
  await Bun.sleep(seconds * 1000);
  over.abort();
  await Promise.all([...working, troubling, reloading, sampling]);
  const took = (performance.now() - begin) / 1000;
  await Bun.sleep(REST_MS);
  const metrics = await fetch(`http://127.0.0.1:${port}/metrics`, { keepalive: false });
  const busy = [...(await metrics.text()).matchAll(GAUGES)].map(([line]) => line);
  const after = await sample();
  child.kill("SIGTERM");
  const exitCode = await child.exited;
  const defects = (await router.log()).match(/^.*defect of the router.*$/gm) ?? [];
  return { seconds: took, counts, lost, troubles, reloads, samples, before, after, busy, defects, exitCode };
};
