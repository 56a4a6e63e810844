import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { scrape, whenIdle } from "../support/at-rest.ts";
import { type Disturbance, startHost, whyNoHosts } from "../support/host.ts";
import { startLoad } from "../support/load.ts";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { percentile } from "../support/statistics.ts";

setDefaultTimeout(60_000);

const whyNot = await whyNoHosts();
if (whyNot !== undefined) console.info(`what happens to packets is not tested: ${whyNot}`);

/** A silence after which a host is asked for a fresh connection, and the time that it has for that. */
const CONNECT_MS = 2000;
/** Three probes of two seconds each, the first within six seconds. */
const FALL_MS = 6000 + 3 * 2000;
/** Until a request that waits is sent elsewhere, and a stream is cut: a silence, and then a connection that goes unanswered. */
const MOVED_MS = 2 * CONNECT_MS + 2000;
const CUT_MS = 5 * CONNECT_MS + 3000;
const BESIDE_MS = 10_000;
const STALL_MS = 3000;

const QUICK = ["--served-model-name=m", "--time-scale=0"];
const STEADY = ["--served-model-name=m", "--decode-ms=50", "--decode-ms-per-seq=0"];

/** One engine on the host and one beside the router, by turns; nothing is what it was once the line is disturbed. */
const start = async (paceThere: readonly string[], ...more: readonly string[]) => {
  const parts = new AsyncDisposableStack();
  const host = parts.use(await startHost());
  const there = parts.use(await host.start(["mock-engine", "--host=0.0.0.0", "--port=0", ...paceThere]));
  const beside: EngineProcess = parts.use(await startEngineProcess(QUICK));
  const engines = [there, beside].map(({ url }) => ["m", url] as const);
  const router = parts.use(
    await startRouterProcess([
      ...staticArgs(engines),
      "--routing-logic=roundrobin",
      "--slow-start-secs=0",
      ...more,
    ]),
  );
  return { host, there, router, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
};

const ask = async ({ url }: RunningProcess, fields = {}): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", prompt: "x", max_tokens: 3, ignore_eos: true, ...fields }),
  });

/** Milliseconds until each of four requests, sent one after the other, was answered with 200. */
const timesOfFour = async (router: RunningProcess): Promise<readonly number[]> => {
  const times: number[] = [];
  for (let nth = 0; nth < 4; nth += 1) {
    const begin = performance.now();
    const response = await ask(router);
    await response.arrayBuffer();
    expect(response.status).toBe(200);
    times.push(performance.now() - begin);
  }
  return times;
};

const told = (times: readonly number[]): string => times.map((ms) => ms.toFixed(0)).join(", ");

describe.skipIf(whyNot !== undefined)(
  "an engine on a line of its own (needs namespaces and nftables)",
  () => {
    test.each<Disturbance>(["host unreachable", "port unreachable", "reset"])(
      "to which every packet is answered with %p is replaced at once",
      async (how) => {
        await using given = await start(QUICK);
        given.host.disturb(how);
        const times = await timesOfFour(given.router);
        console.info(`${how}: answered after ${told(times)} ms`);
        expect(Math.max(...times)).toBeLessThan(1000);
      },
    );

    test("that lets connections go unanswered is replaced when a second one has had its time", async () => {
      await using given = await start(QUICK);
      given.host.disturb("silence");
      const times = await timesOfFour(given.router);
      console.info(`silence: answered after ${told(times)} ms`);
      expect(Math.max(...times)).toBeGreaterThan(CONNECT_MS - 100);
      expect(Math.max(...times)).toBeLessThan(2 * CONNECT_MS + 2000);
    });

    test("that vanishes without a word is out within its probes; what waits on it is answered by another, and its streams are told", async () => {
      await using given = await start(STEADY);
      const { host, there, router } = given;
      // By turns, so that one of each is on the host.
      const body = JSON.stringify({
        model: "m",
        prompt: "x",
        max_tokens: 2000,
        ignore_eos: true,
        stream: true,
      });
      using clients = new DisposableStack();
      const streams = [1, 2].map(() => clients.use(sendRaw(router.port, rawPost("/v1/completions", body))));
      for (const stream of streams) await stream.until(/data: /);
      const waiting = [ask(router, { max_tokens: 2000 }), ask(router, { max_tokens: 2000 })];
      const url = `${there.url}/mock/state`;
      while (((await (await fetch(url)).json()) as { readonly running: number }).running < 2)
        await Bun.sleep(20);
      host.disturb("silence");
      const begin = performance.now();
      const since = (): number => performance.now() - begin;
      const [outMs, answered, streamed] = await Promise.all([
        router.child.until(new RegExp(`WARNING: Engine ${there.url} is unhealthy`)).then(since),
        Promise.all(waiting).then((responses) => ({
          statuses: responses.map(({ status }) => status),
          ms: since(),
        })),
        Promise.all(streams.map(async (stream) => stream.until(/\[DONE\]|"code":"/))).then((texts) => ({
          texts,
          ms: since(),
        })),
      ]);
      console.info(
        `vanished: out after ${told([outMs])} ms, its request answered after ${told([answered.ms])} ms, its stream cut after ${told([streamed.ms])} ms`,
      );
      const { statuses } = answered;
      const { texts } = streamed;
      expect(statuses).toEqual([200, 200]);
      const isWhole = texts.map((text) => text.includes("[DONE]"));
      expect(isWhole.filter(Boolean)).toHaveLength(1);
      expect(texts[isWhole.indexOf(false)]).toContain('"code":"upstream_reset"');
      expect(outMs).toBeLessThan(FALL_MS + 2000);
      expect(answered.ms).toBeLessThan(MOVED_MS);
      expect(streamed.ms).toBeLessThan(CUT_MS);
    });

    test.each<Disturbance>(["a third is lost", "a megabit a second"])(
      "of which %p is not taken for dead",
      async (how) => {
        await using given = await start(QUICK, "--health-check-interval-secs=1");
        given.host.disturb(how);
        const load = startLoad(given.router, 4, 20);
        await Bun.sleep(BESIDE_MS);
        await load.stop();
        given.router.child.kill("SIGTERM");
        const log = await given.router.child.text("stderr");
        console.info(
          `${how}: ${load.statuses.length} requests, p50 ${percentile(load.times, 0.5).toFixed(1)} ms, p99 ${percentile(load.times, 0.99).toFixed(0)} ms, ${load.failed()} failed`,
        );
        expect(load.failed()).toBe(0);
        expect(log).not.toMatch(/is unhealthy|gets no requests/);
      },
    );
  },
);

describe.skipIf(whyNot !== undefined)("a client on a line of its own (needs namespaces and nftables)", () => {
  test("that vanishes without a word is left when what waits for it has waited its time, and its engine freed", async () => {
    const { promise: freed, resolve: free } = Promise.withResolvers<number>();
    await using host = await startHost();
    await using engine = await startRawEngine((socket, { head }) => {
      if (!head.startsWith("POST ")) return void socket.write(rawAnswer(""));
      socket.write(STREAM_HEAD);
      const timer = setInterval(() => {
        if (socket.writableLength === 0) socket.write(rawChunk(`data: ${"x".repeat(16 * 1024)}\n\n`));
      }, 5);
      socket.on("close", () => {
        clearInterval(timer);
        free(performance.now());
      });
    });
    await using router = await startRouterProcess([
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      `--host=${host.here}`,
      `--client-stall-timeout-seconds=${STALL_MS / 1000}`,
    ]);
    const reads = `const answer = await fetch("${router.url}/v1/completions", { method: "POST", body: '{"model":"m","stream":true}' });
      for await (const chunk of answer.body) console.log(chunk.length);`;
    await using client = host.run([process.execPath, "-e", reads]);
    await client.stdout.getReader().read();
    host.disturb("silence");
    const begin = performance.now();
    const tookMs = (await freed) - begin;
    await whenIdle(router);
    console.info(`a client that vanished: its engine was free after ${told([tookMs])} ms`);
    expect((await scrape(router)).value("vllm_router_attempts_total", { outcome: "client_closed" })).toBe(1);
    // The kernel takes what comes until it has taken some mebibytes.
    expect(tookMs).toBeGreaterThan(0.9 * STALL_MS);
    expect(tookMs).toBeLessThan(STALL_MS + 10_000);
  });
});
