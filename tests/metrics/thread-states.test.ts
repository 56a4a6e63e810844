import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EngineReading } from "../../src/metrics/engine-gauges.ts";
import { createRouterMetrics, type RouterMetrics } from "../../src/metrics/router-metrics.ts";
import { createThreadStates } from "../../src/metrics/thread-states.ts";
import { createTestClock } from "../support/clock.ts";
import { readExposition } from "../support/exposition.ts";

const ROWS = [1, 2, 3];
const A = "http://10.0.0.1:8000";
const B = "http://10.0.0.2:8000";

const engineAt = (url: string): EngineReading => ({
  url,
  state: "serving",
  requests: { inPrefill: 0, inDecode: 0 },
});

const start = () => {
  const clock = createTestClock();
  const create = (): RouterMetrics => createRouterMetrics({ version: "1", runtime: "bun" }, { clock });
  const threads = new Map(ROWS.map((row) => [row, create()]));
  const main = create();
  const states = createThreadStates({ clock });
  const servers = new Set([A, B]);
  const tell = (row: number): void => {
    const thread = threads.get(row);
    if (thread) states.tell(row, structuredClone(thread.state(servers)));
  };
  const text = (...urls: readonly string[]): string =>
    main.text(urls.map(engineAt), undefined, states.all(new Set(urls)));
  /** The thread dies, and another one takes its row. */
  const replace = (row: number): void => {
    states.bury(row);
    threads.set(row, create());
  };
  const at = (row: number): RouterMetrics => threads.get(row) ?? main;
  return { clock, main, alone: create(), at, tell, replace, text };
};

const linesOf = (text: string): readonly string[] => text.split("\n").sort();

const event = fc.record({
  kind: fc.constantFrom("stream", "stream", "end", "reject", "arrive", "overhead", "wait", "die"),
  row: fc.constantFrom(...ROWS),
  server: fc.constantFrom(A, B),
  // Sums of these do not depend on their order.
  ms: fc.nat({ max: 1000 }).map((value) => value * 125),
});

describe("what several threads count", () => {
  test("is told as one router would that had all requests, those of threads that died included", () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 5, maxLength: 60 }), (events) => {
        const { clock, alone, at, tell, replace, text } = start();
        for (const { kind, row, server, ms } of events) {
          for (const metrics of [at(row), alone]) {
            const series = () => metrics.seriesOf(server, "m");
            if (kind === "stream") {
              series().streamBegan(ms);
              series().ended("done", 2 * ms, true);
              series().tokens({ input: ms, output: 1 });
            }
            if (kind === "end") series().ended("failed", ms, false);
            if (kind === "reject") metrics.rejected("queue_full");
            if (kind === "arrive") metrics.arrived(server, "unknown");
            if (kind === "overhead") metrics.overhead(ms);
          }
          if (kind === "wait") clock.advance(ms);
          if (kind === "die") {
            tell(row);
            replace(row);
          }
        }
        for (const row of ROWS) tell(row);
        expect(linesOf(text(A, B))).toEqual(linesOf(alone.text([engineAt(A), engineAt(B)], undefined)));
      }),
      { numRuns: 100 },
    );
  });

  test("never goes back when a thread dies, but for what was under way in it", () => {
    const { at, tell, replace, text } = start();
    at(1).seriesOf(A, "m").streamBegan(10);
    at(1).seriesOf(A, "m").streamBegan(10);
    at(2).seriesOf(A, "m").streamBegan(10);
    for (const row of ROWS) tell(row);
    const read = () => {
      const { value } = readExposition(text(A));
      return {
        streams: value("vllm_router_active_streams", { server: A }),
        begun: value("vllm_router_time_to_first_token_seconds", { server: A }),
      };
    };
    expect(read()).toEqual({ streams: 3, begun: 3 });
    replace(1);
    expect(read()).toEqual({ streams: 1, begun: 3 });
    at(1).seriesOf(A, "m").streamBegan(10);
    tell(1);
    expect(read()).toEqual({ streams: 2, begun: 4 });
    replace(1);
    replace(2);
    expect(read()).toEqual({ streams: 0, begun: 4 });
  });

  test("is that of the last time where a thread says nothing now", () => {
    const { at, tell, text } = start();
    at(1).overhead(1);
    tell(1);
    at(1).overhead(1);
    expect(readExposition(text()).value("vllm_router_overhead_seconds")).toBe(1);
    tell(1);
    expect(readExposition(text()).value("vllm_router_overhead_seconds")).toBe(2);
  });

  test("is forgotten of engines that are gone, also where a thread that died had counted it", () => {
    const { at, tell, replace, text } = start();
    for (const server of [A, B]) at(1).seriesOf(server, "m").ended("done", 1, false);
    tell(1);
    replace(1);
    at(2).seriesOf(B, "m").ended("done", 1, false);
    tell(2);
    expect(
      readExposition(text(A))
        .labels("vllm_router_attempts_total")
        .map(({ server }) => server),
    ).toEqual(Array.from({ length: 4 }, () => A));
    // Under its address comes another engine: nothing of the first one.
    expect(readExposition(text(A, B)).value("vllm_router_attempts_total", { server: B })).toBe(1);
  });

  test("has what only one thread knows as that one says", () => {
    const { main, at, tell, text } = start();
    main.admission({ underWay: 7, waiting: 1 });
    at(1).admission({ underWay: 99, waiting: 99 });
    tell(1);
    const { value } = readExposition(text());
    expect(value("vllm_router_requests_under_way")).toBe(7);
    expect(value("vllm_router_build_info")).toBe(1);
    expect(value("process_open_fds")).toBeUndefined();
  });
});
