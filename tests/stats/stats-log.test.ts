import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { createLog } from "../../src/core/log.ts";
import { createStatsLog, statsBlock, type StatsRow } from "../../src/stats/stats-log.ts";
import { createTestClock } from "../support/clock.ts";

const endpoint: Endpoint = { id: "a", url: "http://10.0.0.1:8000", models: ["m"], addedAt: 0 };
const idle = { inPrefill: 0, inDecode: 0 };
const linesOf = (row: Partial<StatsRow>, now = 0): readonly string[] =>
  statsBlock([{ endpoint, requests: idle, ...row }], now).slice(2, -2);

describe("the block", () => {
  test("is that of the reference", () => {
    const rows: readonly StatsRow[] = [
      {
        endpoint: {
          ...endpoint,
          models: ["m", "sql"],
          cards: [
            { id: "m", parent: null },
            { id: "sql", parent: "m" },
          ],
        },
        requests: {
          inPrefill: 2,
          inDecode: 3,
          qps: 8.1,
          finished: 81,
          firstRequestAt: 1000,
          latencyMs: 1234.5,
          interTokenMs: 12.34,
        },
        engine: { running: 3, waiting: 2, prefixCacheHitRate: 0.256, swapped: 1 },
      },
      { endpoint: { ...endpoint, url: "http://10.0.0.2:8000", models: [] }, requests: idle },
    ];
    expect(statsBlock(rows, 7430).join("\n")).toBe(`
==================================================
Server: http://10.0.0.1:8000
Models:
  - m
  - sql (adapter for m)
 Engine Stats: Running Requests: 3.0, Queued Requests: 2.0, GPU Cache Hit Rate: 0.26
 Request Stats: QPS: 8.10, Avg Latency: 1.23, Avg ITL: 0.0123, Prefill Requests: 2, Decoding Requests: 3, Swapped Requests: 1, Finished: 81, Uptime: 6.43 sec
--------------------------------------------------
Server: http://10.0.0.2:8000
Models: No model information available
 Engine Stats: No stats available
 Request Stats: No stats available
--------------------------------------------------
==================================================`);
  });

  test("of no engine is its frame", () => {
    expect(statsBlock([], 0)).toEqual(["", "=".repeat(50), "=".repeat(50)]);
  });

  test("shows -1 only for what is not known yet, and 0 for what an engine does not tell", () => {
    expect(linesOf({ requests: { ...idle, qps: 0 }, engine: { kvCacheUsage: 0.5 } }).slice(3)).toEqual([
      " Engine Stats: Running Requests: 0, Queued Requests: 0, GPU Cache Hit Rate: 0.00",
      " Request Stats: QPS: 0.00, Avg Latency: -1.00, Avg ITL: -1, Prefill Requests: 0, Decoding Requests: 0, Swapped Requests: 0, Finished: 0, Uptime: 0.00 sec",
    ]);
  });

  test("takes a parent only as it is in the engine's own words", () => {
    const cards = [{ id: "m", parent: { evil: true } }];
    expect(linesOf({ endpoint: { ...endpoint, cards } })[2]).toBe("  - m");
  });
});

describe("the log of statistics", () => {
  const start = () => {
    const clock = createTestClock();
    const written: string[] = [];
    const log = createLog(
      { level: "info", format: "text" },
      { clock, write: (_stream, text) => void written.push(text) },
    );
    let rows: readonly StatsRow[] = [];
    const show = (...shown: readonly StatsRow[]): void => {
      rows = shown;
    };
    return {
      clock,
      written,
      show,
      statsLog: createStatsLog({ intervalMs: 10_000, rows: () => rows }, { clock, log }),
    };
  };

  test("writes one record in each interval, with what is true then", () => {
    const { clock, written, show } = start();
    clock.advance(9999);
    expect(written).toEqual([]);
    show({ endpoint, requests: idle });
    clock.advance(1);
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^\[[-\d :,]+\] INFO: \n={50}\nServer: http:\/\/10\.0\.0\.1:8000\n/);
    expect(written[0]).toEndWith(`\n${"=".repeat(50)} (vllm_router)\n`);
    show();
    clock.advance(20_000);
    expect(written).toHaveLength(3);
    expect(written[2]).not.toContain("Server");
  });

  test("cannot be forged by the name of a model", () => {
    const { clock, written, show } = start();
    show({ endpoint: { ...endpoint, models: ["m\n[2026-01-01] ERROR: forged"] }, requests: idle });
    clock.advance(10_000);
    expect(written[0]).toContain("  - m\\u000a[2026-01-01] ERROR: forged\n");
  });

  test("ends when it is disposed", () => {
    const { clock, written, statsLog } = start();
    clock.advance(10_000);
    statsLog[Symbol.dispose]();
    clock.advance(30_000);
    expect([written.length, clock.waiting()]).toEqual([1, []]);
  });
});
