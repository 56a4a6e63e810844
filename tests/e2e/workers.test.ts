import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { scrape, whenIdle } from "../support/at-rest.ts";
import { builtBinary } from "../support/binary.ts";
import { readStream } from "../support/chunked-stream.ts";
import { startCountingEngine } from "../support/counting-engine.ts";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startChild } from "../cli/child.ts";
import { settle } from "../support/clock.ts";

interface Served {
  readonly url: string;
}

const argsFor = (engines: readonly Served[], more: readonly string[] = []): readonly string[] => [
  ...staticArgs(engines.map(({ url }) => ["m", url] as const)),
  "--routing-logic=roundrobin",
  "--workers=2",
  ...more,
];

const startWorkers = async (
  engines: readonly Served[],
  more: readonly string[] = [],
  variables: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> => startRouterProcess(argsFor(engines, more), variables);

/** Over a connection of its own, so that any worker may get it. */
const complete = async ({ port }: Pick<RunningProcess, "port">): Promise<number> => {
  const body = JSON.stringify({ model: "m", prompt: "Hello", max_tokens: 2 });
  using client = sendRaw(port, rawPost("/v1/completions", body, ["Connection: close"]));
  return Number((await client.closed()).split(" ")[1]);
};

const many = async <Result>(count: number, task: (index: number) => Promise<Result>): Promise<Result[]> =>
  Promise.all(Array.from({ length: count }, async (_, index) => task(index)));

const streamRequest = (tokens: number): string =>
  rawPost(
    "/v1/completions",
    JSON.stringify({ model: "m", stream: true, prompt: "Hello", max_tokens: tokens, ignore_eos: true }),
  );

const attempts = async (router: Served, { url: server }: Served, outcome = "done"): Promise<number> =>
  (await scrape(router)).value("vllm_router_attempts_total", { model: "m", server, outcome }) ?? 0;

const startEngine = async (args: readonly string[] = ["--time-scale=0"]): Promise<EngineProcess> =>
  startEngineProcess(["--served-model-name=m", ...args]);

const death = {
  BUN_OPTIONS: `--preload ${fileURLToPath(import.meta.resolve("./worker-death-preload.ts"))}`,
  VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1",
};

describe("two workers", () => {
  test("are one router: what they do not forward is answered as by one, byte for byte but for times", async () => {
    await using engine = await startEngine();
    await using two = await startWorkers([engine]);
    await using one = await startWorkers([engine], ["--workers=1"]);
    const bodyOf = async ({ port }: RunningProcess, head: string, body = ""): Promise<string> => {
      const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
      using client = sendRaw(
        port,
        `${head}\r\nHost: router\r\nx-request-id: r\r\n${length}Connection: close\r\n\r\n${body}`,
      );
      return (await client.closed()).replaceAll(/^Date: .*$|"created":\d+/gim, "");
    };
    for (const head of [
      "GET /health HTTP/1.1",
      "HEAD /health HTTP/1.1",
      "GET /readyz?verbose HTTP/1.1",
      "GET /livez HTTP/1.1",
      "GET /version HTTP/1.1",
      "GET /v1/models HTTP/1.1",
      "GET /engines HTTP/1.1",
      "GET /engines/ HTTP/1.1",
      "GET /nowhere HTTP/1.1",
      "PUT /health HTTP/1.1",
      "GET /v1/chat/completions HTTP/1.1",
      "POST /v1/files HTTP/1.1",
      "POST /sleep?id=nobody HTTP/1.1",
    ])
      expect([head, await bodyOf(two, head)]).toEqual([head, await bodyOf(one, head)]);
    const asked = JSON.stringify({ model: "m", prompt: "Hello" });
    const explain = "POST /debug/route HTTP/1.1";
    expect(await bodyOf(two, explain, asked)).toBe(await bodyOf(one, explain, asked));
  }, 60_000);

  test("count as one: every request is in /metrics once, and nothing is left of it", async () => {
    await using first = await startEngine();
    await using second = await startEngine();
    await using router = await startWorkers([first, second]);
    const statuses = await many(200, async () => complete(router));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    const read = await whenIdle(router);
    const done = [first, second].map(({ url: server }) =>
      read.value("vllm_router_attempts_total", { model: "m", server, outcome: "done" }),
    );
    expect(done).toEqual([100, 100]);
    expect(read.value("vllm_router_request_duration_seconds", { model: "m" })).toBe(200);
  }, 60_000);

  test("take turns together: no engine is ever one request ahead of what its turn was", async () => {
    const engines = [await startEngine(), await startEngine(), await startEngine()] as const;
    await using _engines = {
      [Symbol.asyncDispose]: async () => {
        await Promise.all(engines.map(async (engine) => engine[Symbol.asyncDispose]()));
      },
    };
    await using router = await startWorkers(engines);
    for (let round = 1; round <= 30; round += 1) {
      // One after the other, over connections that both workers get.
      for (const _engine of engines) expect(await complete(router)).toBe(200);
      if (round % 10 > 0) continue;
      const read = await scrape(router);
      const done = engines.map(({ url: server }) =>
        read.value("vllm_router_attempts_total", { model: "m", server, outcome: "done" }),
      );
      expect(done).toEqual([round, round, round]);
    }
  }, 60_000);

  test("let in as many as may be let in, together and to each engine, and everybody has a turn", async () => {
    await using engine = startCountingEngine(20);
    await using other = startCountingEngine(20);
    await using router = await startWorkers(
      [engine, other],
      ["--max-concurrent-requests=7", "--max-concurrent-requests-per-engine=4", "--queue-size=1000"],
    );
    const statuses = await many(200, async () => complete(router));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(Math.max(engine.peak(), other.peak())).toBeLessThanOrEqual(4);
    expect(engine.peak() + other.peak()).toBeGreaterThan(4);
    expect(engine.received() + other.received()).toBe(200);
    await whenIdle(router);
  }, 60_000);

  test("leave out the same engines: one that fails is ejected by what either of them sees", async () => {
    await using well = await startEngine();
    await using sick = await startEngine(["--time-scale=0", "--fault=status=500"]);
    await using router = await startWorkers(
      [well, sick],
      ["--cb-failure-threshold=5", "--cb-timeout-duration-secs=60"],
    );
    // More than one worker alone would need, and one after the other: those that are in line already do not count.
    for (let index = 0; index < 40; index += 1) expect(await complete(router)).toBe(200);
    expect(await attempts(router, sick, "failed")).toBe(5);
    const read = await scrape(router);
    expect(read.value("vllm_router_engine_state", { server: sick.url, state: "ejected" })).toBe(1);
  }, 60_000);

  test("both obey at once where an engine is put to sleep and wakes", async () => {
    await using engine = await startEngine();
    await using other = await startEngine();
    await using router = await startWorkers([engine, other]);
    const listed = (await (await fetch(`${router.url}/engines`)).json()) as { readonly engine_id: string }[];
    const [{ engine_id: id } = { engine_id: "" }] = listed;
    for (let round = 0; round < 5; round += 1) {
      const before = [await attempts(router, engine), await attempts(router, other)] as const;
      expect((await fetch(`${router.url}/sleep?id=${id}`, { method: "POST" })).status).toBe(200);
      await many(20, async () => complete(router));
      const asleep = [await attempts(router, engine), await attempts(router, other)] as const;
      expect([asleep[0] - before[0], asleep[1] - before[1]].toSorted((a, b) => a - b)).toEqual([0, 20]);
      expect((await fetch(`${router.url}/wake_up?id=${id}`, { method: "POST" })).status).toBe(200);
      await many(20, async () => complete(router));
      const awake = [await attempts(router, engine), await attempts(router, other)] as const;
      expect([awake[0] - asleep[0], awake[1] - asleep[1]]).toEqual([10, 10]);
    }
  }, 60_000);
});

describe("a worker that dies", () => {
  test("is replaced; only its own streams are lost, and nothing of them stays in the accounts", async () => {
    await using engine = await startEngine(["--decode-ms=50", "--decode-ms-per-seq=0", "--max-num-seqs=100"]);
    await using router = await startWorkers([engine], [], death);
    const answers = many(40, async () => readStream(router.port, streamRequest(60)));
    while ((await engine.state()).running < 40);
    router.child.kill("SIGUSR2");
    await router.child.until(/serves again/);
    const ended = await answers;
    const whole = ended.filter(({ isWhole }) => isWhole);
    expect(whole.length).toBeGreaterThan(0);
    expect(whole.length).toBeLessThan(40);
    expect(whole.filter(({ body }) => !body.includes("[DONE]"))).toEqual([]);
    // The engine is rid of those that nobody waits for any more.
    while ((await engine.state()).running > 0);
    await whenIdle(router);
    expect(await attempts(router, engine)).toBeGreaterThanOrEqual(whole.length);
    const statuses = await many(50, async () => complete(router));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    router.child.kill("SIGTERM");
    expect(await router.child.exited).toBe(0);
    expect(await router.child.text("stderr")).toMatch(
      /^(?:a thread is dead\n|.* ERROR: Worker 1 ended with \d+, and its requests with it; another one starts in 0\.1 s .*\n){2}$/,
    );
  }, 60_000);

  test("gives its places back: who waits in another one is let in", async () => {
    const HOLD_MS = 8_000;
    await using engine = startCountingEngine(HOLD_MS);
    await using router = await startWorkers(
      [engine],
      ["--max-concurrent-requests=12", "--queue-size=100", "--disable-health-check"],
      death,
    );
    const beganAt = performance.now();
    const before = many(12, async () => complete(router));
    while (engine.underWay() < 12) await settle();
    const waiting = many(12, async () => complete(router));
    while (((await scrape(router)).value("vllm_router_queue_depth") ?? 0) < 1);
    router.child.kill("SIGUSR2");
    await router.child.until(/serves again/);
    // Long before the engine answers the first ones.
    while (engine.received() < 13) await settle();
    expect(performance.now() - beganAt).toBeLessThan(HOLD_MS);
    await Promise.all([before, waiting]);
    await whenIdle(router);
  }, 60_000);

  test("takes nothing of what was counted with it", async () => {
    await using engine = await startEngine();
    await using router = await startWorkers([engine], [], death);
    await many(100, async () => complete(router));
    expect(await attempts(router, engine)).toBe(100);
    router.child.kill("SIGUSR2");
    await router.child.until(/serves again/);
    expect(await attempts(router, engine)).toBe(100);
    await many(50, async () => complete(router));
    expect(await attempts(router, engine)).toBe(150);
  }, 60_000);
});

describe("a router of two workers", () => {
  test("drains as with one: not ready at once, every stream whole, then the end", async () => {
    await using engine = await startEngine(["--decode-ms=50", "--decode-ms-per-seq=0", "--max-num-seqs=100"]);
    await using router = await startWorkers([engine], ["--drain-delay-seconds=1"]);
    const answers = many(50, async () => readStream(router.port, streamRequest(40)));
    while ((await engine.state()).running < 50);
    router.child.kill("SIGTERM");
    await router.child.until(/Leaving: not ready any more/);
    expect((await fetch(`${router.url}/readyz`)).status).toBe(503);
    using late = sendRaw(router.port, streamRequest(2));
    expect(await late.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\n0\r\n\r\n$/i);
    const ended = await answers;
    expect(ended.filter(({ status, isWhole }) => status !== 200 || !isWhole)).toEqual([]);
    expect(await router.child.exited).toBe(0);
    const log = await router.child.text("stdout");
    expect(log).toMatch(/Ending: no new requests; 50 under way may finish within 300 s/);
    expect(log.trimEnd().split("\n").at(-1)).toContain("Ended");
    expect(await router.child.text("stderr")).toBe("");
  }, 60_000);

  test("cuts at a second signal what does not end, and says so to its clients", async () => {
    await using engine = await startEngine(["--decode-ms=500", "--decode-ms-per-seq=0"]);
    await using router = await startWorkers([engine]);
    const answers = many(10, async () => readStream(router.port, streamRequest(1000)));
    while ((await engine.state()).running < 10);
    router.child.kill("SIGINT");
    await router.child.until(/10 under way may finish/);
    await Bun.sleep(600);
    router.child.kill("SIGINT");
    const ended = await answers;
    expect(ended.filter(({ body, isWhole }) => isWhole || !body.includes("router_shutdown"))).toEqual([]);
    expect(await router.child.exited).toBe(0);
  }, 60_000);

  test("reloads as one: from the moment it says so, every request is served by the new configuration", async () => {
    await using old = await startEngine(["--decode-ms=50", "--decode-ms-per-seq=0"]);
    await using fresh = await startEngine();
    const folder = await mkdtemp(join(tmpdir(), "router-workers-"));
    await using _folder = { [Symbol.asyncDispose]: async () => rm(folder, { recursive: true }) };
    const path = join(folder, "router.json");
    const write = async ({ url }: Served): Promise<void> => {
      const models = { service_discovery: "static", static_models: "m", static_backends: url };
      await Bun.write(path, JSON.stringify({ ...models, routing_logic: "roundrobin" }));
    };
    await write(old);
    await using router = await startRouterProcess(["--workers=2", `--dynamic-config-json=${path}`]);
    const streams = many(10, async () => readStream(router.port, streamRequest(40)));
    while ((await old.state()).running < 10);
    await write(fresh);
    router.child.kill("SIGHUP");
    await router.child.until(/is in effect/);
    const statuses = await many(40, async () => complete(router));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect((await fresh.state()).finished).toBe(40);
    const ended = await streams;
    expect(ended.filter(({ isWhole, body }) => !isWhole || !body.includes("[DONE]"))).toEqual([]);
    await whenIdle(router);
  }, 60_000);

  test("lets nobody else have its port, and says what cannot be", async () => {
    await using engine = await startEngine();
    await using router = await startWorkers([engine]);
    const refusalOf = async (args: readonly string[]) => {
      await using child = startChild(args, {}, [await builtBinary()]);
      return [await child.exited, await child.text("stderr")] as const;
    };
    const [status, error] = await refusalOf([
      ...argsFor([engine]),
      "--host=127.0.0.1",
      `--port=${router.port}`,
    ]);
    expect(status).toBe(1);
    expect(error).toMatch(/Cannot listen on 127\.0\.0\.1:\d+: /);
    expect(await refusalOf([...argsFor([engine]), "--record-trace=/tmp/x"])).toEqual([
      1,
      "vllm-router: error: --record-trace: requests are recorded by one thread only; give --workers 1 beside it\n",
    ]);
  }, 60_000);
});
