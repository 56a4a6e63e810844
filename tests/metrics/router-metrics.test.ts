import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EngineReading } from "../../src/metrics/engine-gauges.ts";
import { createRouterMetrics } from "../../src/metrics/router-metrics.ts";
import { createTestClock } from "../support/clock.ts";
import { readExposition } from "../support/exposition.ts";

const start = () => {
  const clock = createTestClock();
  const metrics = createRouterMetrics({ version: "1.2.3", runtime: "bun 1" }, { clock });
  const engineAt = (url: string, parts: Partial<EngineReading> = {}): EngineReading => ({
    url,
    state: "serving",
    requests: { inPrefill: 0, inDecode: 0 },
    ...parts,
  });
  const read = (...engines: readonly EngineReading[]) => readExposition(metrics.text(engines, undefined));
  return { clock, metrics, engineAt, read };
};

const A = "http://10.0.0.1:8000";
const B = "http://10.0.0.2:8000";

/** The Python router's metrics: name, type, help, labels. */
const reference = [
  ["vllm:num_requests_running", "gauge", "Number of running requests", "server"],
  ["vllm:num_requests_waiting", "gauge", "Number of waiting requests", "server"],
  ["vllm:gpu_prefix_cache_hit_rate", "gauge", "GPU Prefix Cache Hit Rate", "server"],
  ["vllm:gpu_prefix_cache_hits_total", "gauge", "Total GPU Prefix Cache Hits", "server"],
  ["vllm:gpu_prefix_cache_queries_total", "gauge", "Total GPU Prefix Cache Queries", "server"],
  ["vllm:current_qps", "gauge", "Current Queries Per Second", "server"],
  ["vllm:avg_decoding_length", "gauge", "Average Decoding Length", "server"],
  ["vllm:num_prefill_requests", "gauge", "Number of Prefill Requests", "server"],
  ["vllm:num_decoding_requests", "gauge", "Number of Decoding Requests", "server"],
  ["vllm:healthy_pods_total", "gauge", "Number of healthy vLLM pods", "server"],
  ["vllm:avg_latency", "gauge", "Average end-to-end request latency", "server"],
  ["vllm:avg_itl", "gauge", "Average Inter-Token Latency", "server"],
  ["vllm:num_requests_swapped", "gauge", "Number of swapped requests", "server"],
  [
    "vllm:num_incoming_requests_total",
    "counter",
    "Total valid incoming requests to router (including when no backends available).",
    "model",
  ],
  ["vllm:input_tokens_total", "counter", "Total input tokens processed", "model,server"],
  ["vllm:output_tokens_total", "counter", "Total output tokens generated", "model,server"],
  ["vllm:request_errors_total", "counter", "Total request errors", "error_type,model,server"],
  [
    "vllm:request_latency_seconds",
    "histogram",
    "End-to-end request latency observed at the router",
    "model,server,status",
  ],
  ["router_cpu_usage_percent", "gauge", "CPU usage percent", ""],
  ["router_memory_usage_percent", "gauge", "Memory usage percent", ""],
  ["router_disk_usage_percent", "gauge", "Disk usage percent", ""],
  ["process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", ""],
  ["process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", ""],
  ["process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", ""],
  ["process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", ""],
  ["process_open_fds", "gauge", "Number of open file descriptors.", ""],
  ["process_max_fds", "gauge", "Maximum number of open file descriptors.", ""],
] as const;

describe("the metrics of the Python router", () => {
  const { metrics, engineAt } = start();
  metrics.arrived("m", "served");
  const series = metrics.seriesOf(A, "m");
  series.tokens({ input: 1, output: 2 });
  series.failed("upstream_reset", "before");
  series.ended("done", 200, false);
  const engine = {
    waiting: 4,
    swapped: 0,
    prefixCacheHitRate: 0.5,
    prefixCacheHits: 3,
    prefixCacheQueries: 6,
  };
  const text = metrics.text([engineAt(A, { engine })], {
    cpuPercent: 10,
    memoryPercent: 20,
    diskPercent: 30,
    process: {
      cpuSeconds: 1.5,
      residentBytes: 1000,
      virtualBytes: 2000,
      openDescriptors: 7,
      maxDescriptors: 1024,
      startedAt: 1_700_000_000,
    },
  });
  const exposition = readExposition(text);

  test.each(reference)("%s keeps its type, text and labels", (name, type, help, labels) => {
    expect([exposition.types.get(name), exposition.helps.get(name)]).toEqual([type, help]);
    expect(
      Object.keys(exposition.labels(name)[0] ?? {})
        .sort()
        .join(","),
    ).toBe(labels);
    if (type === "gauge") return;
    const created = `${name.replace(/_total$/, "")}_created`;
    expect(exposition.types.get(created)).toBe("gauge");
    expect(exposition.value(created)).toBeGreaterThan(1_600_000_000);
    expect(exposition.labels(created)).toEqual(exposition.labels(name));
  });

  test("has the bounds of the latency as Python writes them, and labels in alphabetical order", () => {
    const lines = text.split("\n").filter((line) => line.startsWith("vllm:request_latency_seconds_bucket"));
    expect(lines.slice(0, 12).map((line) => /le="([^"]+)"/.exec(line)?.[1])).toEqual([
      "0.05",
      "0.1",
      "0.25",
      "0.5",
      "1.0",
      "2.5",
      "5.0",
      "10.0",
      "30.0",
      "60.0",
      "120.0",
      "+Inf",
    ]);
    expect(lines[2]).toBe(
      `vllm:request_latency_seconds_bucket{le="0.25",model="m",server="${A}",status="success"} 1`,
    );
  });
});

describe("an engine's figures", () => {
  test("are those of the moment, -1 for a mean of nothing as the reference has it, and none that it did not tell", () => {
    const { engineAt, read } = start();
    const requests = { inPrefill: 2, inDecode: 3, qps: 1.5, latencyMs: 250, interTokenMs: 20 };
    const at = { server: A };
    const { value } = read(engineAt(A, { state: "unhealthy", requests }));
    expect([
      value("vllm:num_requests_running", at),
      value("vllm:num_prefill_requests", at),
      value("vllm:num_decoding_requests", at),
      value("vllm:current_qps", at),
      value("vllm:healthy_pods_total", at),
      value("vllm:avg_latency", at),
      value("vllm:avg_itl", at),
      value("vllm:avg_decoding_length", at),
      value("vllm:num_requests_waiting", at),
      value("vllm:gpu_prefix_cache_hit_rate", at),
    ]).toEqual([5, 2, 3, 1.5, 0, 0.25, 0.02, -1, undefined, undefined]);
  });

  test("vanish with it, and begin anew when it comes back", () => {
    const { clock, metrics, engineAt, read } = start();
    for (const url of [A, B]) {
      metrics.seriesOf(url, "m").tokens({ input: 10, output: 1 });
      metrics.seriesOf(url, "m").ended("done", 1, false);
    }
    const before = read(engineAt(A), engineAt(B));
    expect(before.value("vllm:input_tokens_total")).toBe(20);
    clock.advance(5000);
    const gone = read(engineAt(A));
    for (const [name, , , labels] of reference) {
      if (labels.includes("server"))
        expect(gone.labels(name).filter(({ server }) => server !== A)).toEqual([]);
    }
    expect(gone.value("vllm:input_tokens_total")).toBe(10);
    metrics.seriesOf(B, "m").tokens({ input: 1, output: 1 });
    const again = read(engineAt(A), engineAt(B));
    expect(again.value("vllm:input_tokens_total", { server: B })).toBe(1);
    expect(again.value("vllm:input_tokens_created", { server: B })).toBe(
      (before.value("vllm:input_tokens_created", { server: B }) ?? 0) + 5,
    );
  });

  test("add up where two engines stand behind one address", () => {
    const { engineAt, read } = start();
    const requests = { inPrefill: 2, inDecode: 0, qps: 1 };
    const { value } = read(engineAt(A, { requests }), engineAt(A, { requests }));
    expect([value("vllm:num_requests_running"), value("vllm:current_qps")]).toEqual([4, 2]);
    expect(read(engineAt(A, { requests })).value("vllm:num_requests_running")).toBe(2);
  });
});

describe("what the router counts", () => {
  test("tells how requests ended; a client that left is no latency and no error", () => {
    const { metrics, engineAt, read } = start();
    const series = metrics.seriesOf(A, "m");
    for (const outcome of ["done", "done", "refused", "failed", "client_closed"] as const)
      series.ended(outcome, 100, false);
    series.failed("upstream_unreachable", "before");
    series.failed("upstream_reset", "while");
    const { value } = read(engineAt(A));
    const attempts = (outcome: string) => value("vllm_router_attempts_total", { outcome });
    expect(["done", "refused", "failed", "client_closed"].map(attempts)).toEqual([2, 1, 1, 1]);
    expect(value("vllm:request_latency_seconds", { status: "success" })).toBe(2);
    expect(value("vllm:request_latency_seconds", { status: "error" })).toBe(2);
    expect(value("vllm:request_errors_total", { error_type: "ClientConnectorError" })).toBe(1);
    expect(value("vllm:request_errors_total", { error_type: "ClientPayloadError" })).toBe(1);
  });

  test("has one series for all models that nobody has ever served", () => {
    const { metrics, read } = start();
    metrics.arrived("x", "unknown");
    metrics.arrived("y", "unknown");
    metrics.arrived("m", "served");
    const { value, labels } = read();
    expect(labels("vllm:num_incoming_requests_total")).toEqual([{ model: "other" }, { model: "m" }]);
    expect(value("vllm:num_incoming_requests_total", { model: "other" })).toBe(2);
  });

  test("names models while there is no engine, so that those can be scaled up from zero, and not without end", () => {
    const { metrics, read } = start();
    metrics.arrived("m", "wanted");
    metrics.arrived("m", "unknown");
    metrics.arrived("n".repeat(201), "wanted");
    for (let nth = 1; nth <= 100; nth += 1) metrics.arrived(`x${nth}`, "wanted");
    metrics.arrived("m", "wanted");
    const { value, labels } = read();
    expect(value("vllm:num_incoming_requests_total", { model: "m" })).toBe(3);
    expect(value("vllm:num_incoming_requests_total", { model: "x19" })).toBe(1);
    expect(value("vllm:num_incoming_requests_total", { model: "other" })).toBe(82);
    expect(labels("vllm:num_incoming_requests_total")).toHaveLength(21);
  });

  test("has the changes of engines, whoever asks how often", () => {
    const { metrics, read } = start();
    metrics.engines(new Set(["a", "b"]));
    metrics.engines(new Set(["a", "b"]));
    metrics.engines(new Set(["b", "c"]));
    const { value } = read();
    expect(value("vllm_router_discovery_changes_total", { change: "added" })).toBe(3);
    expect(value("vllm_router_discovery_changes_total", { change: "removed" })).toBe(1);
  });

  test("tells what it is built of", () => {
    expect(start().read().labels("vllm_router_build_info")).toEqual([{ version: "1.2.3", runtime: "bun 1" }]);
  });
});

test("any name of a model or an engine stands in the text as a reader of the format gets it back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (model, server) => {
      const { metrics, engineAt } = start();
      metrics.arrived(model, "served");
      metrics.seriesOf(server, model).ended("done", 1, false);
      const text = metrics.text([engineAt(server)], undefined);
      const line = text.split("\n").find((each) => each.startsWith("vllm:num_incoming_requests_total{"));
      const quoted = /^[^{]*\{model="(.*)"\} 1$/s.exec(line ?? "")?.[1] ?? "(no line)";
      const unquoted = quoted.replace(/\\(.)/gs, (_, letter: string) => (letter === "n" ? "\n" : letter));
      expect(unquoted).toBe(model);
    }),
  );
});

const MODEL = "meta-llama/Llama-3.1-8B-Instruct";

test("a scrape of 100 engines that all serve takes less than 5 ms", () => {
  const { metrics, engineAt } = start();
  const engines = Array.from({ length: 100 }, (_, index) => {
    const url = `http://10.0.0.${index}:8000`;
    const series = metrics.seriesOf(url, MODEL);
    series.streamBegan(12);
    for (let gap = 0; gap < 50; gap += 1) series.streamWentOn(gap);
    series.tokens({ input: 1000, output: 50 });
    series.ended("done", 1234.5, true);
    series.ended("failed", 3, false);
    series.failed("upstream_reset", "before");
    return engineAt(url, { requests: { inPrefill: 1, inDecode: 2, qps: 3.3, latencyMs: 123.4 } });
  });
  const times = Array.from({ length: 100 }, () => {
    for (const { url } of engines) {
      metrics.seriesOf(url, MODEL).streamWentOn(7);
      metrics.seriesOf(url, MODEL).ended("done", 2000, true);
    }
    const began = performance.now();
    const bytes = Buffer.from(metrics.text(engines, undefined));
    return bytes.length > 0 ? performance.now() - began : NaN;
  }).sort((left, right) => left - right);
  // The quickest is what it costs; the others waited for whatever else the machine did.
  const [quickest = Infinity] = times;
  const bytes = metrics.text(engines, undefined).length;
  process.stderr.write(
    `scrape of 100 engines: ${quickest.toFixed(2)} ms, median ${times[50]?.toFixed(2)} ms, ${bytes} bytes\n`,
  );
  expect(quickest).toBeLessThan(5);
});

test("what the system does not tell of the process has no series, and its processor time is counted up", () => {
  const { metrics } = start();
  const host = { cpuPercent: 1, memoryPercent: 2, diskPercent: 3 };
  const read = (cpuSeconds: number) =>
    readExposition(metrics.text([], { ...host, process: { cpuSeconds, residentBytes: 5, startedAt: 6 } }));
  expect(read(1.5).value("process_cpu_seconds_total")).toBe(1.5);
  const { value, labels } = read(4);
  expect(value("process_cpu_seconds_total")).toBe(4);
  for (const name of ["process_virtual_memory_bytes", "process_open_fds", "process_max_fds"])
    expect(labels(name)).toEqual([]);
});

test("lines of the log that were dropped, and how late timers come, are counted", () => {
  const { metrics, read } = start();
  expect(read().labels("vllm_router_log_lines_dropped_total")).toEqual([]);
  metrics.droppedLines(3);
  metrics.droppedLines(5);
  metrics.loopLag(20);
  const { value } = read();
  expect(value("vllm_router_log_lines_dropped_total")).toBe(5);
  expect(value("vllm_router_event_loop_lag_seconds")).toBe(1);
});
