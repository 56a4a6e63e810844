import { describe, expect, test } from "bun:test";
import { type Exposition, readExposition } from "../support/exposition.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";

const scrape = async (url: string): Promise<Exposition> =>
  readExposition(await (await fetch(`${url}/metrics`)).text());

const post = async (url: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });

const messages = [{ role: "user", content: "Tell me of the sea." }];
const chat = { model: "m", messages, max_tokens: 20, ignore_eos: true };

/** Scrapes until something can be seen; the test's time limit ends it otherwise. */
const until = async (url: string, isSeen: (read: Exposition) => boolean): Promise<Exposition> => {
  for (;;) {
    const read = await scrape(url);
    if (isSeen(read)) return read;
    await Bun.sleep(20);
  }
};

describe("the compiled router's metrics, in front of a simulated engine", () => {
  test.each<[string, string, unknown]>([
    ["a chat", "/v1/chat/completions", chat],
    ["a chat that streams and asks for no usage", "/v1/chat/completions", { ...chat, stream: true }],
    [
      "a completion that streams and wants no usage",
      "/v1/completions",
      { model: "m", prompt: ["Once", "Twice"], stream: true, stream_options: { include_usage: false } },
    ],
    [
      "a chat that streams",
      "/v1/chat/completions",
      { ...chat, stream: true, stream_options: { include_usage: true } },
    ],
    [
      "a chat that tells its usage in every chunk",
      "/v1/chat/completions",
      { ...chat, stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } },
    ],
    ["a completion", "/v1/completions", { model: "m", prompt: "Once", max_tokens: 9, ignore_eos: true }],
    ["a response", "/v1/responses", { model: "m", input: "Hello", max_output_tokens: 12 }],
    [
      "a response that streams",
      "/v1/responses",
      { model: "m", input: "Hello", max_output_tokens: 12, stream: true },
    ],
    ["a message", "/v1/messages", { model: "m", messages, max_tokens: 12 }],
    ["a message that streams", "/v1/messages", { model: "m", messages, max_tokens: 12, stream: true }],
    ["an embedding", "/v1/embeddings", { model: "m", input: "Hello there" }],
  ])("have the tokens that the engine counted for %s", async (_what, path, body) => {
    await using engine = await startEngineProcess(["--served-model-name=m"]);
    await using router = await startRouterProcess([
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      "--count-stream-usage",
    ]);
    const response = await post(router.url, path, body);
    expect(response.status).toBe(200);
    const text = await response.text();
    const told = await scrape(engine.url);
    const input = told.value("vllm:prompt_tokens_total") ?? 0;
    const counted = await scrape(router.url);
    expect(text).not.toBe("");
    // A usage event has no choices.
    if (!JSON.stringify(body).includes('"include_usage":true')) expect(text).not.toContain('"choices":[]');
    if (path === "/v1/embeddings") {
      const { usage } = JSON.parse(text) as { usage: { prompt_tokens: number } };
      expect(counted.value("vllm:input_tokens_total", { model: "m" })).toBe(usage.prompt_tokens);
      return;
    }
    expect(input).toBeGreaterThan(0);
    expect(counted.value("vllm:input_tokens_total", { model: "m", server: engine.url })).toBe(input);
    expect(counted.value("vllm:output_tokens_total", { model: "m" })).toBe(
      told.value("vllm:generation_tokens_total"),
    );
  });

  test("are back at 0 after clients that left in the middle, and show the machine and the engine's queue", async () => {
    await using engine = await startEngineProcess(["--served-model-name=m", "--max-num-seqs=2"]);
    await using router = await startRouterProcess([
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      "--engine-stats-interval=1",
    ]);
    const leaving = new AbortController();
    const stream = { ...chat, max_tokens: 20_000, stream: true };
    const streams = Array.from({ length: 20 }, async () => {
      const response = await post(router.url, "/v1/chat/completions", stream, leaving.signal);
      await response.text();
    });
    const busy = await until(
      router.url,
      ({ value }) =>
        (value("vllm:num_requests_waiting") ?? 0) >= 18 && (value("vllm_router_active_streams") ?? 0) >= 2,
    );
    expect(busy.value("vllm:num_requests_running")).toBe(20);
    leaving.abort(new Error("enough"));
    const ends = await Promise.allSettled(streams);
    expect(ends.map(({ status }) => status)).toEqual(ends.map(() => "rejected"));
    const idle = await until(
      router.url,
      ({ value }) =>
        value("vllm:num_requests_running") === 0 && value("router_cpu_usage_percent") !== undefined,
    );
    expect(idle.value("vllm_router_active_streams")).toBe(0);
    expect(idle.value("vllm_router_attempts_total", { outcome: "client_closed" })).toBe(20);
    expect(idle.value("vllm:num_incoming_requests_total", { model: "m" })).toBe(20);
    expect(idle.value("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(idle.value("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(idle.value("vllm_router_log_lines_dropped_total")).toBe(0);
    for (const name of [
      "router_cpu_usage_percent",
      "router_memory_usage_percent",
      "router_disk_usage_percent",
    ]) {
      expect(idle.value(name)).toBeGreaterThanOrEqual(0);
      expect(idle.value(name)).toBeLessThanOrEqual(100);
    }
  }, 30_000);
});
