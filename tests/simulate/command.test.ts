import { describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../src/cli.ts";
import type { PolicyRuns } from "../../src/simulate/report.ts";
import { lendPlatform } from "../cli/lent.ts";

const run = async (...argv: readonly string[]) => {
  const { platform, stdout, stderr } = lendPlatform();
  const exitCode = await runCli(["simulate", ...argv], platform);
  return { exitCode, stdout: stdout(), stderr: stderr() };
};

const runsOf = async (...argv: readonly string[]): Promise<readonly PolicyRuns[]> => {
  const { stdout } = await run("--json", "--requests", "200", "--engines", "2", ...argv);
  return JSON.parse(stdout) as readonly PolicyRuns[];
};

const fileWith = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), "trace-")), "trace.jsonl");
  writeFileSync(path, text);
  return path;
};

describe("vllm-router simulate", () => {
  test("prints a row for each policy in two tables", async () => {
    const { exitCode, stdout, stderr } = await run("--policies", "roundrobin,oracle", "--requests", "100");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout.match(/^roundrobin .*/gm)).toHaveLength(2);
    expect(stdout.match(/^oracle .*/gm)).toHaveLength(2);
    expect(stdout).toContain("TTFT mean");
    expect(stdout).toContain("goodput");
  });

  test("prints how far seeds lie apart, and every run by itself as JSON", async () => {
    const { stdout } = await run("--policies", "random", "--requests", "100", "--seeds", "3");
    expect(stdout).toMatch(/^random .*\d ±\d/m);
    const [random] = await runsOf("--policies", "random", "--seeds", "3");
    expect(random?.policy).toBe("random");
    expect(new Set(random?.runs.map(({ ttftMeanMs }) => ttftMeanMs)).size).toBe(3);
  });

  test("lets perfect knowledge win where prefixes are worth most", async () => {
    const [roundrobin, oracle] = await runsOf("--policies", "roundrobin,oracle", "--workload", "multi-round");
    expect(oracle?.runs[0]?.ttftMeanMs).toBeLessThan((roundrobin?.runs[0]?.ttftMeanMs ?? 0) / 1.5);
  });

  test("replays a trace, so many times as fast, on the engines that are given", async () => {
    const lines = Array.from({ length: 50 }, (_, index) =>
      JSON.stringify({
        timestamp: index * 1000,
        input_length: 800,
        output_length: 4,
        hash_ids: [index, index + 100],
      }),
    );
    const trace = fileWith(lines.join("\n"));
    const [calm] = await runsOf("--policies", "roundrobin", "--trace", trace);
    expect(calm?.runs[0]).toMatchObject({ requests: 50, ttftP99Ms: 100 });
    const [slow] = await runsOf("--policies", "roundrobin", "--trace", trace, "--engines", "2xslow");
    expect(slow?.runs[0]?.ttftP99Ms).toBe(200);
    const [rushed] = await runsOf("--policies", "roundrobin", "--trace", trace, "--rate", "1000");
    expect(rushed?.runs[0]?.ttftMeanMs).toBeGreaterThan(500);
  });

  test("lets engines die", async () => {
    const [roundrobin] = await runsOf("--policies", "roundrobin", "--faults", "die:1@20");
    expect(roundrobin?.runs[0]).toMatchObject({ requests: 200 });
    expect(roundrobin?.runs[0]?.failed).toBeGreaterThan(0);
  });

  test.each([
    [["--policies", "best"], "is no policy; there are roundrobin"],
    [["--workload", "rush"], "is not one of shared-prefix"],
    [["--engines", "4xgpu"], "standard, fast, slow"],
    [["--faults", "die:9@1"], "counted from 1 to 8"],
    [["--trace", "/nowhere/trace.jsonl"], "--trace: cannot read /nowhere/trace.jsonl"],
    [["--trace", fileWith("{}")], "line 1: timestamp"],
    [["--rate", "0"], "0.001"],
  ])("refuses %p and says what would be right", async (argv, sentence) => {
    const { exitCode, stderr } = await run(...argv);
    expect(exitCode).toBeGreaterThan(0);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain("    at ");
  });

  test("ends at once when it is asked to", async () => {
    const { platform, stderr, stop } = lendPlatform();
    const running = runCli(["simulate", "--requests", "1000000", "--workload", "uniform"], platform);
    setTimeout(() => stop.abort(new Error("asked to end")), 100);
    expect(await running).toBe(1);
    expect(stderr()).toContain("asked to end");
  });
});
