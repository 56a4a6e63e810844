import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { EngineFetch, EngineRequest } from "../../src/core/engine-fetch.ts";
import { createLog, type LogLevel } from "../../src/core/log.ts";
import { createScraper, type Reading } from "../../src/stats/scraper.ts";
import { createTestClock, settle, type TestClock } from "../support/clock.ts";

const INTERVAL_MS = 30_000;

const engine = (id: string): Endpoint => ({ id, url: `http://${id}`, models: ["m"], addedAt: 0 });
const running = (count: number) => () => new Response(`vllm:num_requests_running{engine="0"} ${count}\n`);
type Answer = () => Response | Promise<Response>;

interface Given {
  readonly random?: number;
  readonly apiKey?: string;
  readonly level?: LogLevel;
  readonly readings?: Map<string, Reading>;
}

/** Lets time pass in steps of a second, so that every answer is dealt with at the time at which it comes. */
const pass = async (clock: TestClock, seconds: number): Promise<void> => {
  clock.advance(0);
  await settle();
  for (let passed = 0; passed < seconds; passed += 1) {
    clock.advance(1000);
    await settle();
  }
};

/** A scraper of engines that refuse until a test says otherwise. */
const start = (ids: readonly string[], answers: Record<string, Answer> = {}, given: Given = {}) => {
  const clock = createTestClock();
  const lines: string[] = [];
  const log = createLog(
    { level: given.level ?? "info", format: "text" },
    { clock, write: (_stream, line) => void lines.push(line.slice(26, -15)) },
  );
  const asks: { readonly id: string; readonly at: number; readonly request: EngineRequest }[] = [];
  let endpoints = ids.map(engine);
  const fetch: EngineFetch = async (url, request) => {
    const id = new URL(url).hostname;
    asks.push({ id, at: clock.monotonic(), request });
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    request.signal.addEventListener("abort", () => reject(request.signal.reason));
    const refuse = async () => Promise.reject(new TypeError("refused"));
    expect(url).toBe(`http://${id}/metrics`);
    return Promise.race([(answers[id] ?? refuse)(), aborted]);
  };
  const scraper = createScraper(
    {
      endpoints: () => endpoints,
      intervalMs: INTERVAL_MS,
      ...(given.readings && { readings: given.readings }),
    },
    { clock, random: () => given.random ?? 0, fetch, log, apiKey: given.apiKey },
  );
  const discover = (...found: readonly string[]): void => {
    endpoints = found.map(engine);
  };
  return { clock, lines, asks, scraper, discover, answers };
};

const hanging: Answer = async () => Promise.withResolvers<Response>().promise;

describe("a scraper", () => {
  test("asks nobody before whoever created it had its turn", async () => {
    const { asks, clock, scraper } = start(["a"], { a: running(1) });
    await settle();
    expect(asks).toEqual([]);
    await scraper[Symbol.asyncDispose]();
    await pass(clock, 60);
    expect(asks).toEqual([]);
  });

  test("asks every engine at once at the start and then in each interval", async () => {
    const { clock, asks, scraper, lines } = start(["a", "b"], { a: hanging, b: running(4) });
    await pass(clock, 0);
    expect(asks.map(({ id, at }) => [id, at])).toEqual([
      ["a", 0],
      ["b", 0],
    ]);
    expect(scraper.of("b")).toEqual({ running: 4 });
    await pass(clock, 60);
    expect(asks.filter(({ id }) => id === "b").map(({ at }) => at)).toEqual([0, 30_000, 60_000]);
    expect(lines.filter((line) => line.includes("Scraping"))).toEqual(
      Array(3).fill("INFO: Scraping metrics from 2 serving engine(s)"),
    );
  });

  test("spreads the questions of a round, so that routers fall out of step", async () => {
    const { clock, asks } = start(["a"], { a: running(1) }, { random: 0.5 });
    await pass(clock, 70);
    expect(asks.map(({ at }) => at)).toEqual([0, 31_500, 61_500]);
  });

  test("asks over a fresh connection, with the key of the engines", async () => {
    const { clock, asks } = start(["a"], { a: running(1) }, { apiKey: "secret" });
    await pass(clock, 0);
    expect(asks[0]?.request).toMatchObject({ method: "GET", fresh: true });
    expect(asks[0]?.request.headers.get("authorization")).toBe("Bearer secret");
    const keyless = start(["a"], { a: running(1) });
    await pass(keyless.clock, 0);
    expect(keyless.asks[0]?.request.headers.has("authorization")).toBe(false);
  });

  test("asks an engine soon after discovery has found it, and forgets one that is gone", async () => {
    const { clock, asks, scraper, discover } = start([], { a: running(1), b: running(2) });
    await pass(clock, 5);
    expect(asks).toEqual([]);
    discover("a");
    await pass(clock, 1);
    expect(asks.map(({ id, at }) => [id, at])).toEqual([["a", 6000]]);
    expect(scraper.of("a")).toEqual({ running: 1 });
    discover("b");
    await pass(clock, 1);
    expect(scraper.of("a")).toBeUndefined();
    expect(scraper.of("b")).toEqual({ running: 2 });
    await pass(clock, 30);
    expect(asks.filter(({ id }) => id === "a")).toHaveLength(1);
  });

  test("does not take the late answer of an engine that is gone", async () => {
    const late = Promise.withResolvers<Response>();
    const { clock, scraper, discover } = start(["a"], { a: async () => late.promise });
    discover();
    await pass(clock, 1);
    late.resolve(running(1)());
    await pass(clock, 1);
    expect(scraper.of("a")).toBeUndefined();
  });

  test("goes on with what was known before it began", async () => {
    const known = new Map([["a", { stats: { running: 9 }, takenAt: 0 }]]);
    const { scraper } = start(["a"], { a: hanging }, { readings: known });
    expect(scraper.of("a")).toEqual({ running: 9 });
  });
});

describe("what an engine said", () => {
  test("holds for two intervals, whatever fails meanwhile", async () => {
    const { clock, scraper, answers } = start(["a"], { a: running(3) });
    await pass(clock, 1);
    answers["a"] = hanging;
    await pass(clock, 59);
    expect(scraper.of("a")).toEqual({ running: 3 });
    await pass(clock, 1);
    expect(scraper.of("a")).toBeUndefined();
    answers["a"] = running(5);
    await pass(clock, 30);
    expect(scraper.of("a")).toEqual({ running: 5 });
  });

  test("is replaced as a whole", async () => {
    const { clock, scraper, answers } = start(["a"], { a: running(3) });
    await pass(clock, 0);
    answers["a"] = () => new Response("vllm:num_requests_waiting 2\n");
    await pass(clock, 30);
    expect(scraper.of("a")).toEqual({ waiting: 2 });
  });
});

describe("a failure", () => {
  const failed = (lines: readonly string[]) =>
    lines.filter((line) => !line.includes("Scraping metrics from 1"));

  test("is an error once, and told again only when it is another one", async () => {
    const { clock, lines, answers } = start(["a"]);
    await pass(clock, 90);
    expect(failed(lines)).toEqual(["ERROR: Failed to scrape metrics from http://a: refused"]);
    answers["a"] = () => new Response("", { status: 503 });
    await pass(clock, 60);
    expect(failed(lines).slice(1)).toEqual([
      "ERROR: Failed to scrape metrics from http://a: /metrics answered 503",
    ]);
    answers["a"] = running(1);
    await pass(clock, 60);
    expect(failed(lines).slice(2)).toEqual(["INFO: Scraping metrics from http://a works again"]);
    answers["a"] = async () =>
      Promise.reject(Object.assign(new TypeError("Is the computer on?"), { code: "ECONNREFUSED" }));
    await pass(clock, 60);
    expect(failed(lines).slice(3)).toEqual([
      "ERROR: Failed to scrape metrics from http://a: no answer (ECONNREFUSED)",
    ]);
  });

  test.each<[string, Answer, string]>([
    ["a silence", hanging, "no answer in 10 s"],
    ["another text", () => new Response("<html>"), "/metrics has no metric of vLLM or SGLang"],
    [
      "an endless answer",
      () =>
        new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)) }),
        ),
      "/metrics is larger than 8388608 bytes",
    ],
  ])("is %s", async (_, answer, why) => {
    const { clock, lines } = start(["a"], { a: answer });
    await pass(clock, 11);
    expect(failed(lines)).toEqual([`ERROR: Failed to scrape metrics from http://a: ${why}`]);
  });

  test("never names the key", async () => {
    const { clock, lines } = start(["a"], {}, { apiKey: "canary", level: "debug" });
    await pass(clock, 60);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.join("\n")).not.toContain("canary");
  });
});

describe("the end", () => {
  test("ends questions under way, without a word, and all timers", async () => {
    const { clock, asks, lines, scraper } = start(["a", "b"], { a: hanging, b: running(1) });
    await pass(clock, 1);
    await scraper[Symbol.asyncDispose]();
    expect(asks[0]?.request.signal.aborted).toBe(true);
    expect(clock.waiting()).toEqual([]);
    await pass(clock, 60);
    expect(asks).toHaveLength(2);
    expect(lines).toEqual(["INFO: Scraping metrics from 2 serving engine(s)"]);
  });

  test("of one that has questions to come leaves none of them", async () => {
    const { clock, asks, scraper } = start(["a"], { a: running(1) }, { random: 0.9 });
    await pass(clock, 30);
    expect(asks).toHaveLength(1);
    await scraper[Symbol.asyncDispose]();
    await pass(clock, 10);
    expect([asks.length, clock.waiting()]).toEqual([1, []]);
  });
});
