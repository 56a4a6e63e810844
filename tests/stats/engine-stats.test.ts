import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseEngineStats } from "../../src/stats/engine-stats.ts";
import { repository } from "../support/binary.ts";

const sample = (name: string): string =>
  readFileSync(join(repository, "tests/fixtures/metrics", `${name}.txt`), "utf8");

describe("the metrics of an engine", () => {
  test("of vLLM are summed over data-parallel ranks, shares are averaged", () => {
    expect(parseEngineStats(sample("vllm-v1-data-parallel"))).toEqual({
      running: 12,
      waiting: 4,
      waitingByReason: new Map([
        ["capacity", 3],
        ["deferred", 1],
      ]),
      kvCacheUsage: 0.375,
      prefixCacheQueries: 2_000_000,
      prefixCacheHits: 1_000_000,
      prefixCacheHitRate: 0.5,
      preemptions: 6,
      blockSize: 16,
      blockCount: 55_623,
      lora: { max: 4, running: ["sql", "legal"], waiting: ["support"] },
    });
  });

  test("that have an old name beside the new one count once", () => {
    expect(parseEngineStats(sample("vllm-v1-both-names"))).toEqual({
      running: 2,
      waiting: 0,
      kvCacheUsage: 9.75010481363281e-6,
      prefixCacheQueries: 32,
      prefixCacheHits: 8,
      prefixCacheHitRate: 0.25,
      preemptions: 0,
    });
  });

  test("of a vLLM before V1 are read by their old names; -1 is no rate", () => {
    expect(parseEngineStats(sample("vllm-v0"))).toEqual({
      running: 3,
      waiting: 2,
      swapped: 1,
      kvCacheUsage: 0.75,
      preemptions: 1,
      blockSize: 16,
      blockCount: 11_560,
      lora: { max: 0, running: [], waiting: [] },
    });
  });

  const sglang = {
    running: 10,
    waiting: 5,
    kvCacheUsage: 0.4,
    prefixCacheQueries: 8000,
    prefixCacheHits: 2000,
    prefixCacheHitRate: 0.25,
    preemptions: 2,
    blockSize: 64,
    blockCount: 10_000,
  };

  test("of SGLang count tensor-parallel ranks once", () => {
    expect(parseEngineStats(sample("sglang"))).toEqual(sglang);
  });

  test("of an SGLang that writes underscores are the same", () => {
    expect(parseEngineStats(sample("sglang").replaceAll("sglang:", "sglang_"))).toEqual(sglang);
  });

  test("fall back on the engine's own hit rate where nothing was counted", () => {
    const text = 'sglang:cache_hit_rate{model_name="m"} 0.9\nsglang:prompt_tokens_total 0\n';
    expect(parseEngineStats(text)?.prefixCacheHitRate).toBe(0.9);
    expect(parseEngineStats("vllm:gpu_prefix_cache_hit_rate 0.25")?.prefixCacheHitRate).toBe(0.25);
  });

  test("of something else are none", () => {
    expect(parseEngineStats("")).toBeUndefined();
    expect(parseEngineStats("<html>503</html>")).toBeUndefined();
    expect(parseEngineStats("go_goroutines 8\n# vllm:num_requests_running 3\n")).toBeUndefined();
  });
});

describe("a line", () => {
  const running = (text: string) => parseEngineStats(text)?.running;
  const NAME = "vllm:num_requests_running";

  test.each([
    ["without labels", `${NAME} 3`],
    ["with empty labels", `${NAME}{} 3`],
    ["with a timestamp", `${NAME}{engine="0"} 3 1761203458000`],
    ["with an exemplar", `${NAME}{engine="0"} 3 # {trace="4"} 5`],
    ["with white space wherever it may be", `  ${NAME} { engine = "0" , }\t3 `],
    ["with the line feed of Windows", `${NAME}{engine="0"} 3\r\n`],
    ["with braces, commas and quotes in a label", `${NAME}{model_name="a},\\"b{\\\\ 7\\n"} 3`],
    ["between lines that are none", `${NAME}{engine="0\n${NAME} 3\n}} {"\n`],
  ])("%s is read", (_, text) => {
    expect(running(text)).toBe(3);
  });

  test.each([
    ["NaN", `${NAME} NaN`],
    ["an infinity", `${NAME} +Inf`],
    ["negative", `${NAME} -3`],
    ["larger than any count", `${NAME} 1e300`],
    ["missing", `${NAME}{engine="0"}`],
    ["a word", `${NAME} many`],
    ["behind a label that does not end", `${NAME}{engine="0} 3`],
    ["of another name with the same beginning", `${NAME}_total 3`],
    ["on a line that is too long", `${NAME}{model_name="${"x".repeat(70_000)}"} 3`],
  ])("whose value is %s is passed over", (_, text) => {
    expect(running(text)).toBeUndefined();
    expect(running(`${text}\n${NAME} 5\n`)).toBe(5);
  });

  test("that comes twice counts once", () => {
    expect(running(`${NAME}{engine="0"} 3\n${NAME}{engine="0"} 3\n`)).toBe(3);
  });
});

describe("hostile text", () => {
  test("never throws, and gives only numbers that are finite and not negative", () => {
    const part = fc.constantFrom(
      "vllm:num_requests_running",
      "vllm:kv_cache_usage_perc",
      "vllm:lora_requests_info",
      "{",
      "}",
      '"',
      ",",
      "\\",
      " ",
      "\n",
      "#",
      "7",
      "\0",
      "\ud800",
      '="',
      "1e999",
      "-1",
      "engine",
      "reason",
      "NaN",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 60 }), (parts) => {
        const { running = 0, kvCacheUsage = 0 } = parseEngineStats(parts.join("")) ?? {};
        expect(running).toBeWithin(0, Number.MAX_SAFE_INTEGER);
        expect(kvCacheUsage).toBeWithin(0, 1.000_001);
      }),
      { numRuns: 2000 },
    );
  });

  test("makes no long lists", () => {
    const many = (count: number, line: (index: number) => string): string =>
      Array.from({ length: count }, (_, index) => line(index)).join("\n");
    const byReason = parseEngineStats(
      many(50_000, (index) => `vllm:num_requests_waiting_by_reason{reason="${index}"} 1`),
    );
    expect(byReason?.waitingByReason?.size).toBe(16);
    const names = many(5000, (index) => `adapter-${index}`).replaceAll("\n", ",");
    const { lora } = parseEngineStats(`vllm:lora_requests_info{running_lora_adapters="${names}"} 1`) ?? {};
    expect(lora?.running).toHaveLength(1024);
    const long = parseEngineStats(`vllm:lora_requests_info{running_lora_adapters="${"x".repeat(9999)}"} 1`);
    expect(long?.lora?.running[0]).toHaveLength(256);
  });

  test.each([
    ["unclosed labels", 'vllm:num_requests_running{a="b",'],
    ["one endless label", 'vllm:num_requests_running{a="'],
    ["backslashes", 'vllm:num_requests_running{a="\\\\\\'],
    ["line feeds", "\n"],
    ["samples", 'vllm:num_requests_running{engine="0"} 1\n'],
  ])("of 8 MiB of %s is read in time that follows its length", (_, unit) => {
    const timeOf = (bytes: number): number => {
      const text = unit.repeat(Math.ceil(bytes / unit.length));
      const startedAt = performance.now();
      parseEngineStats(text);
      return performance.now() - startedAt;
    };
    timeOf(1024 * 1024);
    expect(timeOf(8 * 1024 * 1024)).toBeLessThan(5000);
  });
});
