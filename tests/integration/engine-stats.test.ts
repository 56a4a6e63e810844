import { describe, expect, test } from "bun:test";
import { engineFetch } from "../../src/platform.ts";
import { fetchEngineStats } from "../../src/stats/engine-metrics.ts";
import {
  type EngineProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

/** Room for two requests at once; further ones wait. */
const ENGINE_ARGS = ["--served-model-name=m", "--max-num-seqs=2", "--num-gpu-blocks=4096"];
const PROMPT = "It was a dark and stormy night. ".repeat(50);

const ask = async (url: string, maxTokens: number, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "m",
      prompt: PROMPT,
      max_tokens: maxTokens,
      ignore_eos: true,
      stream: maxTokens > 1,
    }),
    signal: signal ?? null,
  });

/** Two requests that run and one that waits, until the result is disposed. */
const load = async (engine: EngineProcess): Promise<Disposable> => {
  const end = new AbortController();
  const isLoaded = async () => {
    const { running, waiting } = await engine.state();
    return running === 2 && waiting === 1;
  };
  // Read to their end, since an answer that nobody holds is cancelled.
  const long = async () => (await ask(engine.url, 20_000, end.signal)).text();
  for (let request = 0; request < 3; request += 1) long().catch(() => {});
  while (!(await isLoaded())) await Bun.sleep(5);
  return { [Symbol.dispose]: () => end.abort(new Error("enough")) };
};

describe.each([[[]], [["--legacy-metrics"]]])("of a simulated engine with the flags %p", (flags) => {
  test("the statistics are what the engine knows of itself", async () => {
    await using engine = await startEngineProcess([...ENGINE_ARGS, ...flags]);
    for (let turn = 0; turn < 2; turn += 1) await (await ask(engine.url, 1)).json();
    using _load = await load(engine);
    const before = await engine.state();
    const stats = await fetchEngineStats(engine.url, { fetch: engineFetch }, AbortSignal.timeout(5000));
    const after = await engine.state();

    expect(stats).toMatchObject({
      running: 2,
      waiting: 1,
      preemptions: 0,
      blockSize: 16,
      blockCount: 4096,
    });
    expect([before.running, before.waiting]).toEqual([2, 1]);
    expect(before.kvCacheUsage).toBeGreaterThan(0);
    expect(stats.kvCacheUsage).toBeWithin(before.kvCacheUsage, after.kvCacheUsage + 1e-9);
    // The first request found nothing in the cache, those after it all but the last block of the prompt.
    const { prefixCacheQueries = 0, prefixCacheHits = 0 } = stats;
    const tokens = prefixCacheQueries / 4;
    expect(prefixCacheHits).toBe(3 * Math.floor((tokens - 1) / 16) * 16);
    expect(stats.prefixCacheHitRate).toBeCloseTo(prefixCacheHits / prefixCacheQueries);
  });
});

test("the compiled router reads them and logs them in the block of the reference", async () => {
  await using current = await startEngineProcess(ENGINE_ARGS);
  await using legacy = await startEngineProcess([...ENGINE_ARGS, "--legacy-metrics"]);
  const engines = [current, legacy];
  for (const { url } of engines) for (let turn = 0; turn < 2; turn += 1) await (await ask(url, 1)).json();
  await using router = await startRouterProcess([
    ...staticArgs(engines.map(({ url }) => ["m", url])),
    "--routing-logic=roundrobin",
    "--engine-stats-interval=1",
    "--log-stats",
    "--log-stats-interval=1",
  ]);
  for (let turn = 0; turn < 2; turn += 1) await (await ask(router.url, 1)).json();
  using _load = await load(current);

  const output = await router.child.until(
    new RegExp(
      [
        `Server: ${current.url}`,
        "Models:",
        "  - m",
        " Engine Stats: Running Requests: 2\\.0, Queued Requests: 1\\.0, GPU Cache Hit Rate: 0\\.[5-9]\\d",
        " Request Stats: QPS: 0\\.0\\d, Avg Latency: \\d+\\.\\d\\d, .*Finished: 1, Uptime: \\d+\\.\\d\\d sec",
        "-{50}",
        `Server: ${legacy.url}`,
        "Models:",
        "  - m",
        " Engine Stats: Running Requests: 0\\.0, Queued Requests: 0\\.0, GPU Cache Hit Rate: 0\\.[4-9]\\d",
      ].join("\n"),
    ),
  );
  expect(output).toContain("INFO: Scraping metrics from 2 serving engine(s)");
  expect(output).not.toContain("Failed to scrape");
});
