import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawResults } from "../../../scripts/bench/chart.ts";
import { judgeRatios } from "../../../scripts/bench/guard.ts";
import { describeResults, performancePages, RESULTS } from "../../../scripts/bench/page.ts";
import { type Report, type Results, resultsOf } from "../../../scripts/bench/report.ts";
import { targets } from "../../../scripts/bench/targets.ts";
import { noResults, workload } from "./some-results.ts";

const temporaryFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), "bench-page-"));
  return { folder, [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }) };
};

const exactly = (median: number) => ({ median, min: median, max: median });

/** A row of requests: CPU time at the most and at the fixed rate, and what is compared with others. */
const requestsRow = (contender: string, micros: number, toFloor: number, errors = 0) => {
  const cpu = { microsPerRequest: exactly(micros), toFloor: exactly(toFloor), busyPercent: exactly(50) };
  const added = { addedP50: exactly(0.1), addedP99: exactly(7) };
  return {
    contender,
    errors,
    saturated: { requestsPerSecond: exactly(Math.round(1e6 / micros)), cpu },
    steady: { cpu, latency: { p50: exactly(1), p99: exactly(9), ...added }, reads: exactly(65) },
  };
};

const results: Results = {
  ...noResults,
  contenders: [
    { name: "router", summary: "the router" },
    { name: "python-router", summary: "another", missing: "it cannot be had" },
  ],
  workloads: [
    workload("json-1k", [
      requestsRow("bare", 100, 1),
      requestsRow("router", 110, 1.1),
      requestsRow("router-1000", 143, 1.43),
      requestsRow("vllm-router-rs", 200, 2),
      requestsRow("sglang-router", 220, 2.2),
    ]),
    workload("stream-64", [
      requestsRow("bare", 1000, 1),
      requestsRow("router", 1300, 1.3, 1),
      requestsRow("nginx", 600, 0.6),
    ]),
    workload("prompt-220k", [requestsRow("router-prefixaware", 400, 2)]),
  ],
  held: [
    {
      name: "held-5000",
      summary: "streams",
      streams: 5000,
      gapMs: 1000,
      rows: [
        { contender: "bare", errors: 0, rssKbPerStream: exactly(15), rssMb: exactly(100) },
        { contender: "router", errors: 0, rssKbPerStream: exactly(42), rssMb: exactly(800) },
      ],
    },
  ],
  starts: [
    { contender: "router", startMs: exactly(999), idleRssMb: exactly(999) },
    { contender: "router-executable", startMs: exactly(99.4), idleRssMb: exactly(57) },
  ],
  decisions: [
    { policy: "session", micros: 1.5 },
    { policy: "prefixaware", micros: 12 },
  ],
};

/** The cells of a target on the page: limit, measured, verdict, bare relay. */
const verdictOn = (what: string, given: Results = results): readonly string[] => {
  const line = describeResults(given)
    .split("\n")
    .find((each) => each.startsWith(`| ${what}`));
  return (
    line
      ?.split("|")
      .slice(2, -1)
      .map((cell) => cell.trim()) ?? []
  );
};

describe("the page of results", () => {
  test("holds each target against what was measured, beside the bare relay", () => {
    expect(verdictOn("CPU time per request of 1 KB at 1,000")).toEqual([
      "<= 1.15 x",
      "1.10 x",
      "met",
      "1.00 x",
    ]);
    expect(verdictOn("memory with 5,000")).toEqual(["<= 700 MB", "800 MB", "**not met**", "100 MB"]);
    expect(verdictOn("prompts of 220 KB with prefix-aware routing, per core")).toEqual([
      ">= 2000 req/s",
      "2500 req/s",
      "met",
      "-",
    ]);
    expect(verdictOn("CPU time per request in front of 1,000")).toEqual([
      "<= 1.2 x",
      "1.30 x",
      "**not met**",
      "-",
    ]);
    expect(verdictOn("CPU time per request of 1 KB, to the better")[1]).toBe("0.55 x");
  });

  test("takes the start and the idle memory of the compiled router, and the decisions of policies", () => {
    expect(verdictOn("start to the first answer").slice(1, 3)).toEqual(["99 ms", "met"]);
    expect(verdictOn("a decision among 1,000 engines, session")).toEqual(["<= 10 us", "1.50 us", "met", "-"]);
    expect(verdictOn("a decision among 1,000 engines, slowest")[2]).toBe("**not met**");
    expect(verdictOn("memory when idle").slice(1, 3)).toEqual(["57 MB", "met"]);
  });

  test("judges nothing by requests that had no right answer, nor by what is missing", () => {
    expect(verdictOn("CPU time per stream of 64 chunks, to nginx").slice(1, 3)).toEqual([
      "-",
      "not measured here",
    ]);
    expect(verdictOn("requests/s of 1 KB, to the Python router").slice(1, 3)).toEqual([
      "-",
      "not measured here",
    ]);
    expect(describeResults(results)).toContain("about 1,100 requests/s, an indication only");
    expect(describeResults(results)).toContain("python-router (it cannot be had)");
  });

  test("has a row for every target, also when nothing was measured", () => {
    const page = describeResults({ ...results, workloads: [], held: [], starts: [], decisions: [] });
    expect(page.match(/\| not measured here \|/g)).toHaveLength(targets.length);
  });

  test("says of itself that it is an indication only, where the machine was busy or the run short", () => {
    expect(describeResults(results)).not.toContain("indications only");
    const busy = { ...results, machine: { ...results.machine, load: 3 } };
    expect(describeResults(busy)).toContain("indications only: the machine was busy");
    const short = { ...results, settings: { ...results.settings, rounds: 1 } };
    expect(describeResults(short)).toContain("indications only: each figure comes from 3 s only");
  });
});

describe("the pages", () => {
  test("are written from the results that are kept, and there are none where none are", async () => {
    await using temporary = await temporaryFolder();
    const { folder } = temporary;
    expect(await performancePages(folder)).toEqual({});
    await Bun.write(join(folder, RESULTS), JSON.stringify(results));
    expect(await performancePages(folder)).toEqual({
      "docs/performance.md": `${describeResults(results)}\n`,
      "docs/performance.svg": drawResults(results),
    });
  });
});

describe("the picture of results", () => {
  test("draws a bar for each figure, as long as the largest allows, and none for what was not measured", () => {
    const picture = drawResults(results);
    const widths = [...picture.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(5 + 5 + 3 + 2 + 2);
    const [bare = 0, router = 0] = widths;
    expect(router / bare).toBeCloseTo(1.1, 2);
    expect(picture).toStartWith("<svg ");
    expect(picture).not.toContain("NaN");
    expect(drawResults({ ...results, workloads: [], held: [], starts: [] })).not.toContain("<rect");
  });
});

describe("the guard of the ratio to the bare relay", () => {
  const linesOf = (most: number) => judgeRatios(results, most).map(({ line }) => line);

  test("tells the figure of every workload, whether or not it is good", () => {
    expect(linesOf(1.2)[0]).toBe("ok  json-1k: CPU time per request 1.10 [1.10-1.10] x bare, at most 1.2");
    expect(linesOf(1.05)[0]).toBe(
      "FAILED  json-1k: CPU time per request 1.10 [1.10-1.10] x bare, at most 1.05",
    );
  });

  test("passes neither what had wrong answers nor what was not measured", () => {
    expect(linesOf(9).slice(1)).toEqual([
      "FAILED  stream-64: CPU time per request 1.30 [1.30-1.30] x bare, at most 9",
      "FAILED  prompt-220k: CPU time per request unknown x bare, at most 9",
    ]);
  });
});

describe("the results that are kept", () => {
  test("are those of the report, shortened, without its samples", () => {
    const report: Report = { ...results, samples: [], heldSamples: [], startSamples: [] };
    expect(resultsOf(report)).toEqual(results);
    const long = { ...report, machine: { ...report.machine, load: 1.234567 } };
    expect(resultsOf(long).machine.load).toBe(1.235);
  });
});
