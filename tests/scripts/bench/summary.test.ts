import { describe, expect, test } from "bun:test";
import type { Sample } from "../../../scripts/bench/measure.ts";
import { errorCount, formatReport, type Report } from "../../../scripts/bench/report.ts";
import { percentiles, spread } from "../../../scripts/bench/statistics.ts";
import { summarize } from "../../../scripts/bench/summary.ts";
import { type Workload, workloads } from "../../../scripts/bench/workloads.ts";

const workloadNamed = (name: string): Workload => {
  const workload = workloads.find((candidate) => candidate.name === name);
  if (!workload) throw new Error(`no workload ${name}`);
  return workload;
};
const json = workloadNamed("json-1k");
const stream = workloadNamed("stream-64");

interface Figures {
  readonly workload?: string;
  /** Absent for a contender without a process. */
  readonly cpuMs?: number;
  readonly p50: number;
  readonly errors?: number;
  readonly reads?: number;
}

/** 1000 requests in two seconds, in either loop. */
const sample = (round: number, contender: string, figures: Figures): Sample => {
  const { workload = json.name, cpuMs, p50, errors = 0, reads = 1 } = figures;
  const cost = cpuMs === undefined ? undefined : { cpuMs, wallMs: 2000, rssBytes: 50 * 2 ** 20 };
  const latency = { p50, p99: p50 * 2, max: p50 * 3 };
  return {
    round,
    contender,
    workload,
    saturated: { requests: 1000, errors, seconds: 2, ...(cost && { cost }) },
    steady: {
      requests: 1000,
      errors: 0,
      first: latency,
      end: latency,
      lag: { p50: 0.1, p99: 1, max: 2 },
      reads,
      ...(cost && { cost }),
    },
  };
};

describe("statistics", () => {
  test("the median of an even number of values is the mean of the middle two", () => {
    expect(spread([9, 1, 4, 2])).toEqual({ median: 3, min: 1, max: 9 });
    expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
    expect(spread([])).toBeUndefined();
  });

  test("percentiles are values that occurred", () => {
    expect(percentiles(Array.from({ length: 200 }, (_, index) => 200 - index))).toEqual({
      p50: 100,
      p99: 198,
      max: 200,
    });
    expect(percentiles([7])).toEqual({ p50: 7, p99: 7, max: 7 });
    expect(percentiles([])).toBeUndefined();
  });
});

describe("a summary", () => {
  const samples = [
    sample(1, "direct", { p50: 1 }),
    sample(1, "bare", { cpuMs: 100, p50: 2 }),
    sample(1, "router", { cpuMs: 110, p50: 3 }),
    sample(2, "direct", { p50: 10 }),
    sample(2, "bare", { cpuMs: 200, p50: 20 }),
    sample(2, "router", { cpuMs: 240, p50: 12 }),
    sample(2, "router", { workload: "stream-64", cpuMs: 999, p50: 999 }),
  ];

  test("tells CPU per request, and its ratio to the bare relay within each round", () => {
    const { saturated, steady, rssMb } = summarize("router", json, samples);
    expect(saturated?.requestsPerSecond.median).toBe(500);
    expect(steady.cpu?.microsPerRequest).toEqual({ median: 175, min: 110, max: 240 });
    expect(steady.cpu?.toFloor?.median).toBeCloseTo(1.15);
    expect(steady.cpu?.toFloor?.min).toBeCloseTo(1.1);
    expect(steady.cpu?.toFloor?.max).toBeCloseTo(1.2);
    expect(steady.cpu?.busyPercent).toEqual({ median: 8.75, min: 5.5, max: 12 });
    expect(rssMb?.median).toBe(50);
  });

  test("tells the latency that is added to the engine's own within each round", () => {
    const { steady } = summarize("router", json, samples);
    expect(steady.latency?.addedP50).toEqual({ median: 2, min: 2, max: 2 });
    expect(steady.latency?.addedP99).toEqual({ median: 4, min: 4, max: 4 });
  });

  test("leaves out what was not measured", () => {
    expect(summarize("direct", json, samples).steady.cpu).toBeUndefined();
    expect(summarize("direct", json, samples).steady.latency?.addedP50).toBeUndefined();
    const alone = summarize(
      "router",
      json,
      samples.filter(({ contender }) => contender === "router"),
    );
    expect(alone.steady.cpu?.microsPerRequest.median).toBe(175);
    expect(alone.steady.cpu?.toFloor).toBeUndefined();
    expect(alone.steady.latency?.addedP50).toBeUndefined();
  });

  test("tells CPU per read, which stays comparable where chunks came merged", () => {
    const merged = [sample(1, "router", { cpuMs: 600, p50: 1, reads: 30 })];
    expect(summarize("router", json, merged).steady.microsPerRead?.median).toBe(20);
    expect(summarize("direct", json, samples).steady.microsPerRead).toBeUndefined();
  });

  test("takes no ratio to a relay that used less CPU than can be seen", () => {
    const unseen = [sample(1, "bare", { cpuMs: 0, p50: 1 }), sample(1, "router", { cpuMs: 10, p50: 1 })];
    expect(summarize("router", json, unseen).steady.cpu?.toFloor).toBeUndefined();
  });
});

describe("the report", () => {
  const reportOn = (workload: Workload, samples: readonly Sample[]): Report => ({
    machine: {
      cpu: "Test CPU",
      cpuCount: 2,
      memoryGb: 4,
      kernel: "Linux 6.1",
      bun: "1.4.5",
      wrk: "4.1.0",
      load: 0.5,
    },
    settings: {
      rounds: 1,
      seconds: 2,
      engines: 2,
      router: "source",
      placement: { contender: 1, engine: 0, load: 0 },
      closedLoop: "wrk",
    },
    contenders: [
      { name: "bare", summary: "the floor" },
      { name: "router", summary: "the router" },
      { name: "nginx", summary: "a relay in C", missing: "nginx is not installed" },
    ],
    workloads: [
      {
        name: workload.name,
        summary: workload.summary,
        ratePerSecond: workload.ratePerSecond,
        connections: workload.connections,
        latencyTo: workload.latencyTo,
        pieces: workload.answer.pieces.length,
        rows: ["bare", "router"].map((name) => summarize(name, workload, samples)),
      },
    ],
    held: [],
    starts: [],
    decisions: [],
    samples,
    heldSamples: [],
    startSamples: [],
  });

  test("describes the machine, prints a row for each contender, and names the missing one", () => {
    const text = formatReport(
      reportOn(json, [
        sample(1, "bare", { cpuMs: 100, p50: 1 }),
        sample(1, "router", { cpuMs: 112, p50: 1 }),
      ]),
    );
    expect(text).toContain("Test CPU, 2 CPUs, 4 GB, Linux 6.1, Bun 1.4.5, wrk 4.1.0, nginx missing");
    expect(text).toContain("contender on CPU 1, engine on CPU 0, load on CPU 0");
    expect(text).toMatch(/^router +500 +112\.0 +1\.12 +112\.0 +1\.12 +6 +1\.00 +2\.00 +- +- +50$/m);
    expect(text).toContain("nginx is missing: nginx is not installed");
  });

  test("warns of errors, which the exit status tells too", () => {
    const report = reportOn(json, [sample(1, "router", { cpuMs: 10, p50: 1, errors: 3 })]);
    expect(errorCount(report)).toBe(3);
    expect(formatReport(report)).toContain("router: 3 requests got no right answer");
  });

  test("warns of a contender whose chunks came merged", () => {
    const figures = { workload: stream.name, cpuMs: 10, p50: 1 };
    const text = formatReport(
      reportOn(stream, [
        sample(1, "bare", { ...figures, reads: 64 }),
        sample(1, "router", { ...figures, reads: 40 }),
      ]),
    );
    expect(text).toContain("router: chunks came merged");
    expect(text).toMatch(/^router +10\.0 +1\.00 .* 40\.0 +0\.3 +50$/m);
    expect(text).not.toContain("bare: chunks came merged");
  });
});
