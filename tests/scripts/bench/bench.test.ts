import { describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswers } from "../../../scripts/bench/check-answers.ts";
import { decidingPolicies } from "../../../scripts/bench/decision.ts";
import { freePorts, startChild } from "../../../scripts/bench/child.ts";
import type { Report } from "../../../scripts/bench/report.ts";
import {
  answerBody,
  PATH,
  requestHeaders,
  type Workload,
  workloads,
} from "../../../scripts/bench/workloads.ts";

const bench = join(import.meta.dir, "../../../scripts/bench");
const TIMEOUT_MS = 120_000;

const temporaryFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), "bench-test-"));
  return { folder, [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }) };
};

const rejection = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error("nothing was thrown"),
    (error: Error) => error,
  );

const startEngine = async (folder: string) => {
  const [port = 0] = freePorts(1);
  const child = await startChild({
    name: "engine",
    command: [process.execPath, join(bench, "fixed-engine.ts"), String(port)],
    cwd: folder,
    outputFile: join(folder, "engine.log"),
    ports: [port],
  });
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: child[Symbol.asyncDispose] };
};

describe("the fixed engine", () => {
  test("gives every workload's answer, and refuses a request that was changed on its way", async () => {
    await using temporary = await temporaryFolder();
    await using engine = await startEngine(temporary.folder);
    for (const workload of workloads) {
      await checkAnswers(engine.url, workload);
      const post = async (headers: Readonly<Record<string, string>>, body: Buffer) =>
        (await fetch(engine.url + PATH, { method: "POST", headers, body })).status;
      const { authorization, ...anonymous } = requestHeaders(0);
      expect(authorization).toStartWith("Bearer ");
      expect(await post(requestHeaders(0), workload.body)).toBe(200);
      if (workload.withUsage) expect(await post(requestHeaders(0), workload.withUsage.body)).toBe(200);
      expect(await post(anonymous, workload.body)).toBe(400);
      expect(await post(requestHeaders(0), workload.body.subarray(1))).toBe(400);
    }
  });
});

describe("the fixed engine, behind a router that writes bodies anew", () => {
  test("knows a request whose fields are there in another order and beside others", async () => {
    await using temporary = await temporaryFolder();
    await using engine = await startEngine(temporary.folder);
    for (const { body, answer } of workloads) {
      const fields = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>;
      const anew = { ignore_eos: false, ...Object.fromEntries(Object.entries(fields).toReversed()) };
      const post = async (given: unknown) =>
        fetch(engine.url + PATH, { method: "POST", headers: requestHeaders(0), body: JSON.stringify(given) });
      const received = Buffer.from(await (await post(anew)).arrayBuffer());
      expect(received.equals(answerBody(answer))).toBeTrue();
      expect((await post({ ...anew, model: "another" })).status).toBe(400);
    }
  });

  test("is well when it is asked", async () => {
    await using temporary = await temporaryFolder();
    await using engine = await startEngine(temporary.folder);
    expect((await fetch(`${engine.url}/health`)).status).toBe(200);
  });
});

describe("the check of answers", () => {
  const checkOf = async (workload: Workload, respond: () => Response): Promise<void> => {
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: respond });
    await checkAnswers(`http://127.0.0.1:${server.port}`, workload);
  };
  const headersOf = ({ answer }: Workload) => ({ "content-type": answer.contentType });

  test.each(workloads)("lets the engine's own answer to $name pass", async (workload) => {
    const headers = headersOf(workload);
    await checkOf(workload, () => new Response(answerBody(workload.answer), { headers }));
  });

  const changes: readonly (readonly [string, (body: Buffer) => Buffer, ResponseInit])[] = [
    ["a lost end", (body) => body.subarray(0, -1), {}],
    ["a changed byte", (body) => Buffer.from(body.map((byte, at) => (at === 9 ? byte + 1 : byte))), {}],
    ["another status", (body) => body, { status: 201 }],
    ["another content type", (body) => body, { headers: { "content-type": "text/plain" } }],
  ];

  test.each(changes)("sees %s", async (_what, change, init) => {
    for (const workload of workloads) {
      const wrong = { headers: headersOf(workload), ...init };
      const error = await rejection(
        checkOf(workload, () => new Response(change(answerBody(workload.answer)), wrong)),
      );
      expect(error.message).toContain("differs from what the engine sends");
    }
  });
});

describe("a server of the benchmark", () => {
  test("that ends instead of listening is reported with what it printed", async () => {
    await using temporary = await temporaryFolder();
    const { folder } = temporary;
    const [port = 0] = freePorts(1);
    const started = startChild({
      name: "hopeless",
      command: ["sh", "-c", "echo no such option >&2; exit 3"],
      cwd: folder,
      outputFile: join(folder, "hopeless.log"),
      ports: [port],
    });
    expect((await rejection(started)).message).toMatch(/^hopeless ended: [^]*no such option/);
  });
});

describe.skipIf(process.platform !== "linux")("bun run bench", () => {
  test(
    "--quick measures two contenders and compares them",
    async () => {
      await using temporary = await temporaryFolder();
      const file = join(temporary.folder, "report.json");
      const measured = [...workloads.map(({ name }) => name), "held-1000", "start", "decision"];
      // Much less may cost a relay less CPU time than the kernel counts in; wrk takes whole seconds only.
      const args = ["--quick", "--seconds", "0.9", "--contenders", "bare,router", "--json", file];
      const run = Bun.spawn(
        [process.execPath, join(bench, "main.ts"), ...args, "--workloads", measured.join()],
        {
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const [text, progress] = await Promise.all([run.stdout.text(), run.stderr.text()]);
      expect({ exitCode: await run.exited, progress }).toMatchObject({ exitCode: 0 });

      const report = (await Bun.file(file).json()) as Report;
      expect(report.settings).toMatchObject({ rounds: 1, seconds: 0.9, router: "source", closedLoop: "own" });
      expect(report.samples).toHaveLength(2 * workloads.length);
      expect(report.workloads.map(({ name }) => name)).toEqual(workloads.map(({ name }) => name));
      for (const { name, connections, rows } of report.workloads) {
        expect(text).toContain(`\n${name}: `);
        expect(rows.map(({ contender, errors }) => ({ contender, errors }))).toEqual([
          { contender: "bare", errors: 0 },
          { contender: "router", errors: 0 },
        ]);
        for (const { saturated, steady, rssMb } of rows) {
          const ratios = [
            steady.cpu?.toFloor,
            ...(connections === undefined ? [] : [saturated?.cpu?.toFloor]),
          ];
          for (const ratio of ratios) {
            expect(ratio?.median).toBeFinite();
            expect(ratio?.median).toBeGreaterThan(0);
          }
          expect(steady.latency?.p50.median).toBeGreaterThan(0);
          expect(rssMb?.median).toBeGreaterThan(10);
        }
      }
      const [{ name, rows } = { name: "none", rows: [] }] = report.held;
      expect(text).toContain(`\n${name}: `);
      expect(rows.map(({ contender, errors }) => ({ contender, errors }))).toEqual([
        { contender: "bare", errors: 0 },
        { contender: "router", errors: 0 },
      ]);
      expect(report.decisions.map(({ policy }) => policy)).toEqual([...decidingPolicies]);
      for (const { micros } of report.decisions) expect(micros).toBeGreaterThan(0);
      expect(report.starts.map(({ contender }) => contender)).toEqual(["bare", "router"]);
      for (const { startMs, idleRssMb } of report.starts) {
        expect(startMs?.min).toBeGreaterThan(1);
        expect(idleRssMb?.min).toBeGreaterThan(10);
      }
      for (const { microsPerChunk, toFloor, p50, rssKbPerStream } of rows)
        for (const figure of [microsPerChunk, toFloor, p50, rssKbPerStream])
          expect(figure?.median).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test(
    "what cannot be measured here is said to be missing, with the reason",
    async () => {
      await using temporary = await temporaryFolder();
      const path = join(temporary.folder, "bin");
      await mkdir(path);
      for (const tool of ["sh", "getconf"]) await symlink(Bun.which(tool) ?? "", join(path, tool));
      const args = [
        "--quick",
        "--seconds",
        "0.1",
        "--workloads",
        "json-1k,start",
        "--binary",
        join(path, "none"),
      ];
      const contenders = [
        "--contenders",
        "bare,vllm-router-rs,sglang-router,python-router,router-executable",
      ];
      const run = Bun.spawn([process.execPath, join(bench, "main.ts"), ...args, ...contenders], {
        env: { ...process.env, PATH: path },
        stdout: "pipe",
        stderr: "ignore",
      });
      const text = await run.stdout.text();
      expect(text).toContain("vllm-router-rs is missing: python3 is not installed");
      expect(text).toContain("sglang-router is missing: python3 is not installed");
      expect(text).toContain("python-router is missing: name its executable with --python-router");
      expect(text).toContain("router-executable is missing: npm run build makes it");
      expect(await run.exited).toBe(0);
    },
    TIMEOUT_MS,
  );

  test("a wrong command line is answered with status 2", async () => {
    const run = Bun.spawn([process.execPath, join(bench, "main.ts"), "--contenders", "traefik"], {
      stdout: "ignore",
      stderr: "pipe",
    });
    expect(await run.stderr.text()).toContain("there is no traefik");
    expect(await run.exited).toBe(2);
  });
});
