import { expect, test } from "bun:test";
import { createManualClock } from "./manual-clock.ts";
import { post, startEngine, until } from "./started.ts";

/** The samples of a Prometheus text, by series. */
const samplesOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line): [string, string] => [
        line.slice(0, line.lastIndexOf(" ")),
        line.slice(line.lastIndexOf(" ") + 1),
      ]),
  );

const scrape = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();

const labels = '{engine="0",model_name="mock-model"}';

test("tells what runs and waits, and how much of the cache is in use", async () => {
  const clock = createManualClock(1_700_000_000_000);
  await using engine = startEngine(
    { timeScale: 1, maxNumSeqs: 1, numGpuBlocks: 101, maxModelLen: 1000 },
    clock,
  );
  const ask = { prompt: "word ".repeat(200), max_tokens: 3, ignore_eos: true };
  const answers = [post(engine, "/v1/completions", ask), post(engine, "/v1/completions", ask)];
  await until(() => engine.state().waiting === 1 && engine.state().running === 1);
  const busy = samplesOf(await scrape(engine.url));
  expect(busy.get(`vllm:num_requests_running${labels}`)).toBe("1.0");
  expect(busy.get(`vllm:num_requests_waiting${labels}`)).toBe("1.0");
  // 201 tokens: the words, and the space after the last.
  expect(Number(busy.get(`vllm:kv_cache_usage_perc${labels}`))).toBeCloseTo(0.13);

  await clock.advance(1000);
  for (const answer of answers) await (await answer).text();
  const idle = samplesOf(await scrape(engine.url));
  const values = (names: readonly string[]): (string | undefined)[] =>
    names.map((name) => idle.get(`vllm:${name}`));
  expect(
    values([
      `num_requests_running${labels}`,
      `kv_cache_usage_perc${labels}`,
      `prefix_cache_queries_total${labels}`,
      `prefix_cache_hits_total${labels}`,
      `num_preemptions_total${labels}`,
      `prompt_tokens_total${labels}`,
      `generation_tokens_total${labels}`,
      'request_success_total{engine="0",finished_reason="length",model_name="mock-model"}',
      'request_success_total{engine="0",finished_reason="stop",model_name="mock-model"}',
    ]),
  ).toEqual(["0.0", "0.0", "402.0", "192.0", "0.0", "402.0", "6.0", "2.0", "0.0"]);

  const sum = (name: string): number => Number(idle.get(`vllm:${name}_sum${labels}`));
  const count = (name: string): number => Number(idle.get(`vllm:${name}_count${labels}`));
  // 201 tokens at 8,000 a second; the second waits for the first, and computes 9 tokens.
  const firstMs = 201 / 8;
  const decodeMs = 6.35;
  const secondMs = firstMs + 2 * decodeMs + 9 / 8;
  expect(sum("time_to_first_token_seconds")).toBeCloseTo((firstMs + secondMs) / 1000, 3);
  expect(sum("inter_token_latency_seconds")).toBeCloseTo((4 * decodeMs) / 1000, 6);
  expect(sum("e2e_request_latency_seconds")).toBeCloseTo((firstMs + secondMs + 4 * decodeMs) / 1000, 3);
  expect(sum("request_queue_time_seconds")).toBeCloseTo((firstMs + 2 * decodeMs) / 1000, 3);
  expect([count("time_to_first_token_seconds"), count("inter_token_latency_seconds")]).toEqual([2, 4]);
  const bucket = (bound: string): string | undefined =>
    idle.get(`vllm:time_to_first_token_seconds_bucket{engine="0",le="${bound}",model_name="mock-model"}`);
  expect([bucket("0.02"), bucket("0.04"), bucket("+Inf")]).toEqual(["0.0", "2.0", "2.0"]);
});

test("counts a client that left as an abort", async () => {
  const clock = createManualClock();
  await using engine = startEngine({ timeScale: 1 }, clock);
  const leaving = new AbortController();
  const left = fetch(`${engine.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"prompt":"hello"}',
    signal: leaving.signal,
  }).catch((error: unknown) => error);
  await until(() => engine.state().running === 1);
  leaving.abort();
  expect(await left).toMatchObject({ name: "AbortError" });
  await until(() => engine.state().aborted === 1);
  const success = 'vllm:request_success_total{engine="0",finished_reason="abort",model_name="mock-model"}';
  expect(samplesOf(await scrape(engine.url)).get(success)).toBe("1.0");
});

test("counts preemptions", async () => {
  await using engine = startEngine({ numGpuBlocks: 9, maxModelLen: 120 });
  const ask = { prompt: ["word ".repeat(47), "other ".repeat(47)], max_tokens: 30, ignore_eos: true };
  await (await post(engine, "/v1/completions", ask)).text();
  expect(samplesOf(await scrape(engine.url)).get(`vllm:num_preemptions_total${labels}`)).toBe("1.0");
});

test("is Prometheus text as vLLM writes it: help and type before each metric, labels in order, its cache named", async () => {
  await using engine = startEngine({ servedModelName: ['a"b\\c'] });
  const response = await fetch(`${engine.url}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  expect(text).toEndWith("\n");
  expect(text).toContain(
    "# HELP vllm:num_requests_running Number of requests in model execution batches.\n" +
      "# TYPE vllm:num_requests_running gauge\n" +
      'vllm:num_requests_running{engine="0",model_name="a\\"b\\\\c"} 0.0\n',
  );
  expect(text).toMatch(/^vllm:cache_config_info\{block_size="16",.*num_gpu_blocks="32768",.*\} 1\.0$/m);
  expect(text).toMatch(/^vllm:prompt_tokens_created\{[^}]*\} 1\.\d+e\+09$/m);
  let described = "";
  for (const line of text.trimEnd().split("\n")) {
    described = /^# TYPE (\S+)/.exec(line)?.[1] ?? described;
    if (!line.startsWith("#")) expect(line).toStartWith(described);
  }
});

test("older engines have the gpu_ names instead", async () => {
  await using engine = startEngine({ legacyMetrics: true });
  for (let count = 0; count < 2; count += 1) {
    await (await post(engine, "/v1/completions", { prompt: "word ".repeat(32) })).text();
  }
  const samples = samplesOf(await scrape(engine.url));
  const values = ["gpu_cache_usage_perc", "gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total"];
  expect(values.map((name) => samples.get(`vllm:${name}${labels}`))).toEqual(["0.0", "66.0", "32.0"]);
  expect(Number(samples.get(`vllm:gpu_prefix_cache_hit_rate${labels}`))).toBeCloseTo(32 / 66);
  const names = [...samples.keys()];
  expect(names.filter((name) => /vllm:(?:kv_cache_usage|prefix_cache|inter_token)/.test(name))).toEqual([]);
});
