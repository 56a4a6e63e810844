import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startChild } from "../cli/child.ts";
import { builtBinary } from "../support/binary.ts";
import {
  type EngineProcess,
  residentKiB,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

const TARGET_MS = 100;
/** Machines that run tests are busy: a start is slow for sure only beyond this many times the target. */
const TOLERANCE = 3;
const RUNS = 7;

const MAX_IDLE_KIB = 90_000;
const MAX_EXIT_MS = 1000;

let engine: EngineProcess;
beforeAll(async () => {
  engine = await startEngineProcess(["--served-model-name=m", "--time-scale=0"]);
}, 60_000);
afterAll(async () => engine[Symbol.asyncDispose]());

const start = async (...more: readonly string[]): Promise<RunningProcess> =>
  startRouterProcess([...staticArgs([["m", engine.url]]), "--routing-logic=roundrobin", ...more]);

const complete = async ({ url }: RunningProcess): Promise<number> => {
  const body = JSON.stringify({ model: "m", prompt: "Hello", max_tokens: 1 });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  await answer.text();
  return answer.status;
};

test("the first request is answered soon after the start", async () => {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const startedAt = performance.now();
    await using router = await start();
    expect(await complete(router)).toBe(200);
    times.push(performance.now() - startedAt);
  }
  const sorted = times.sort((left, right) => left - right);
  const [best = Infinity] = sorted;
  const median = sorted[Math.floor(RUNS / 2)] ?? Infinity;
  console.info(
    `start to the first answer: best ${best.toFixed(0)} ms, median ${median.toFixed(0)} ms of ${RUNS}; ` +
      `the best is ${(best / TARGET_MS).toFixed(2)} times the target of ${TARGET_MS} ms`,
  );
  expect(best).toBeLessThan(TARGET_MS * TOLERANCE);
}, 30_000);

test.skipIf(process.platform !== "linux")("an idle router is small", async () => {
  await using router = await start();
  expect(await complete(router)).toBe(200);
  const kib = await residentKiB(router.child.pid);
  console.info(`idle memory: ${((kib ?? Number.NaN) / 1024).toFixed(0)} MiB`);
  expect(kib).toBeLessThan(MAX_IDLE_KIB);
});

describe("the end", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s ends an idle router at once, with 0", async (signal) => {
    await using router = await start();
    const askedAt = performance.now();
    router.child.kill(signal);
    expect(await router.child.exited).toBe(0);
    const took = performance.now() - askedAt;
    console.info(`${signal} to the end: ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(MAX_EXIT_MS);
    expect(await router.child.text("stderr")).toBe("");
  });

  test("a port that is taken is one clear line and 1", async () => {
    await using first = await start();
    const second = start(`--port=${first.port}`);
    const failure = await second.then(
      () => "it listens",
      (error: unknown) => String(error),
    );
    const lines = failure
      .split("\n")
      .slice(1)
      .filter((line) => line !== "");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      new RegExp(`\\] ERROR: Cannot listen on 127\\.0\\.0\\.1:${first.port}: .*in use.* \\(vllm_router\\)$`),
    );
    expect(await complete(first)).toBe(200);
  });
});

describe("standard output that nobody takes", () => {
  const serveWith = async (redirect: string, use: (url: string) => Promise<void>): Promise<void> => {
    const port = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const { port: free } = port;
    await port.stop(true);
    const args = [
      `--port=${free}`,
      "--host=127.0.0.1",
      "--drain-delay-seconds=0",
      "--routing-logic=roundrobin",
    ];
    const command = `exec "$0" "$@" ${redirect}`;
    const all = [await builtBinary(), ...args, ...staticArgs([["m", engine.url]])];
    await using child = startChild(all.slice(1), {}, ["/bin/sh", "-c", command, ...all.slice(0, 1)]);
    const url = `http://127.0.0.1:${free}`;
    while ((await fetch(`${url}/health`).catch(() => undefined))?.status !== 200) await Bun.sleep(10);
    await use(url);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  };

  test.skipIf(process.platform !== "linux").each([
    ["full", ">/dev/full 2>&1"],
    ["closed", ">&- 2>&-"],
  ])("because it is %s keeps nobody from being served", async (_how, redirect) => {
    await serveWith(redirect, async (url) => {
      const body = JSON.stringify({ model: "m", prompt: "Hello", max_tokens: 1 });
      for (let time = 0; time < 20; time += 1) {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
        expect([answer.status, (await answer.text()).length > 0]).toEqual([200, true]);
      }
    });
  });
});
