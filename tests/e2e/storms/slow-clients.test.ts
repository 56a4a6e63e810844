import { describe, expect, test } from "bun:test";
import { scrape, whenIdle } from "../../support/at-rest.ts";
import { type RunningProcess, residentKiB, startRouterProcess, staticArgs } from "../../support/processes.ts";
import { type RawClient, rawPost, sendRaw } from "../../support/raw-client.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../../support/raw-engine.ts";
import { percentile } from "../../support/statistics.ts";

const SLOW = 500;
/** Requests of each measurement, one every few milliseconds whatever becomes of those before. */
const HEALTHY = 400;
const EVERY_MS = 4;
/** What the engine takes for an answer: less than any prefill, and enough for a tenth of it to be told from noise. */
const ANSWER_MS = 100;
/** Measurements alone and beside slow clients, in turn. */
const ROUNDS = 8;
const STALLED = 100;
const IDLE_S = 5;
/** The runtime closes what is idle up to four seconds late, and gives a connection 12 s for its first head whatever it is told. */
const MOST_S = 14;
const STALL_S = 5;

const ask = (prompt: string): string => rawPost("/v1/completions", JSON.stringify({ model: "m", prompt }));
const HEAD = "POST /v1/completions HTTP/1.1\r\nHost: router\r\n";

/** Says something a byte a second for as long as the connection is open. */
const trickle = (client: RawClient, text: string): void => {
  let at = 0;
  const timer = setInterval(() => {
    client.socket.write(text[at % text.length] ?? "");
    at += 1;
  }, 1000);
  client.socket.on("close", () => clearInterval(timer));
};

/** Ways of a client to take its time; each holds its connection. */
const SLOWNESS: readonly ((port: number) => RawClient)[] = [
  (port) => sendRaw(port, ""),
  (port) => {
    const client = sendRaw(port, HEAD);
    trickle(client, "x");
    return client;
  },
  (port) => {
    const client = sendRaw(port, `${HEAD}Content-Length: 1000\r\n\r\n{"model":"m"`);
    trickle(client, " ");
    return client;
  },
  (port) => {
    const client = sendRaw(port, `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"mod\r\n`);
    trickle(client, "1\r\n \r\n");
    return client;
  },
  (port) => {
    const client = sendRaw(port, ask("x"));
    void client.until(/\r\n\r\n\{\}$/).then(() => {
      client.socket.write(HEAD);
      trickle(client, "x");
    });
    return client;
  },
  (port) => {
    const client = sendRaw(port, rawPost("/v1/completions", '{"model":"m","stream":true}'));
    client.socket.pause();
    return client;
  },
];

/** Far more than any engine decodes, and far less than would only show how fast this machine copies. */
const CHUNK = rawChunk(`data: ${"x".repeat(16 * 1024)}\n\n`);
const CHUNK_EVERY_MS = 20;

/** Answers after its time, and streams for as long as somebody takes it. */
const startEngine = async () =>
  startRawEngine((socket, { head, body }) => {
    if (!head.startsWith("POST ")) socket.write(rawAnswer('vllm:num_requests_running{model_name="m"} 0\n'));
    else if (!body.includes('"stream"')) setTimeout(() => socket.write(rawAnswer("{}")), ANSWER_MS);
    else {
      socket.write(STREAM_HEAD);
      const timer = setInterval(() => {
        if (socket.writableLength === 0) socket.write(CHUNK);
      }, CHUNK_EVERY_MS);
      socket.on("close", () => clearInterval(timer));
    }
  });

/** Limits that are reached within a test. */
const SOON = [
  `--idle-timeout-seconds=${IDLE_S}`,
  `--request-body-timeout-seconds=${IDLE_S}`,
  `--client-stall-timeout-seconds=${STALL_S}`,
];

const startOver = async (url: string, ...more: readonly string[]): Promise<RunningProcess> =>
  startRouterProcess([...staticArgs([["m", url]]), "--routing-logic=roundrobin", ...more]);

/** Milliseconds that healthy requests take. */
const measure = async ({ url }: RunningProcess): Promise<readonly number[]> => {
  const begin = performance.now();
  const asking = Array.from({ length: HEALTHY }, async (_, index) => {
    await Bun.sleep(Math.max(0, begin + index * EVERY_MS - performance.now()));
    const askedAt = performance.now();
    const response = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"model":"m"}' });
    expect([response.status, await response.text()]).toEqual([200, "{}"]);
    return performance.now() - askedAt;
  });
  return Promise.all(asking);
};

/** Seconds until the router has closed each connection. */
const closedAfterS = async (clients: readonly RawClient[], begin: number): Promise<readonly number[]> =>
  Promise.all(
    clients.map(async ({ closed }) => {
      await closed();
      return (performance.now() - begin) / 1000;
    }),
  );

const comeSlowly = ({ port }: RunningProcess) => {
  const held = new DisposableStack();
  const clients = Array.from({ length: SLOW }, (_, index) => {
    const start = SLOWNESS[index % SLOWNESS.length];
    if (!start) throw new Error("there are ways");
    return held.use(start(port));
  });
  return { clients, [Symbol.dispose]: () => held.dispose() };
};

/** Milliseconds below which such a share of the requests lies in the best of several measurements. */
const best = (rounds: readonly (readonly number[])[], share: number): number =>
  Math.min(...rounds.map((times) => percentile(times, share)));

describe(`${SLOW} clients that take their time`, () => {
  test("are waited for by nobody else: the p99 of others is less than a tenth longer", async () => {
    await using engine = await startEngine();
    await using router = await startOver(engine.url);
    await measure(router);
    const alone: (readonly number[])[] = [];
    const beside: (readonly number[])[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await measure(router));
      using slow = comeSlowly(router);
      await Bun.sleep(500);
      beside.push(await measure(router));
      // All of them were there all the time.
      expect(slow.clients.filter(({ socket }) => socket.destroyed).length).toBe(0);
      slow[Symbol.dispose]();
      await whenIdle(router);
    }
    const tell = (rounds: readonly (readonly number[])[]): string =>
      `p50 ${best(rounds, 0.5).toFixed(1)} ms, p99 ${best(rounds, 0.99).toFixed(1)} ms`;
    const ratio = best(beside, 0.99) / best(alone, 0.99);
    console.info(
      `best of ${ROUNDS} x ${HEALTHY} requests of ${ANSWER_MS} ms, alone: ${tell(alone)}; beside ${SLOW} slow clients: ${tell(beside)}; ` +
        `p99 ${ratio.toFixed(3)} times as long`,
    );
    // A busy machine makes some measurements of either kind longer and none shorter; what slow clients cost is in all.
    expect(ratio).toBeLessThan(1.1);
  }, 120_000);

  test("are closed", async () => {
    await using engine = await startEngine();
    await using router = await startOver(engine.url, ...SOON);
    const begin = performance.now();
    using slow = comeSlowly(router);
    // Whoever reads nothing does not see the end either: the router's gauges tell of theirs.
    const closed = await closedAfterS(
      slow.clients.filter(({ socket }) => !socket.isPaused()),
      begin,
    );
    await whenIdle(router);
    const idleAfterS = (performance.now() - begin) / 1000;
    console.info(
      `the last of ${SLOW} slow clients was closed after ${Math.max(...closed).toFixed(1)} s, all engines free after ${idleAfterS.toFixed(1)} s`,
    );
    expect(Math.max(...closed)).toBeLessThan(MOST_S);
    // The kernel takes the first mebibytes of a stream that nobody reads.
    expect(idleAfterS).toBeLessThan(35);
  }, 60_000);
});

describe(`${STALLED} readers that stop reading`, () => {
  test.each([
    ["one thread", 1],
    ["two workers", 2],
  ])(
    "cost less than a mebibyte each, and free their engine when their time is over: %s",
    async (threads, workers) => {
      await using engine = await startEngine();
      await using router = await startOver(engine.url, ...SOON, `--workers=${workers}`);
      await measure(router);
      const idleKiB = (await residentKiB(router.child.pid)) ?? 0;
      using clients = new DisposableStack();
      const begin = performance.now();
      const requests = engine.requests.length;
      for (let count = 0; count < STALLED; count += 1) {
        const client = clients.use(
          sendRaw(router.port, rawPost("/v1/completions", '{"model":"m","stream":true}')),
        );
        client.socket.pause();
      }
      await engine.received(requests + STALLED);
      while (((await scrape(router)).value("vllm_router_active_streams") ?? 0) < STALLED);
      const resident: number[] = [];
      while (((await scrape(router)).value("vllm_router_active_streams") ?? 0) > STALLED / 2) {
        resident.push((await residentKiB(router.child.pid)) ?? 0);
        await Bun.sleep(100);
      }
      const read = await whenIdle(router);
      const tookS = (performance.now() - begin) / 1000;
      const eachKiB = (percentile(resident, 0.5) - idleKiB) / STALLED;
      console.info(
        `${STALLED} stalled readers, ${threads}: ${eachKiB.toFixed(0)} KiB each; all ended after ${tookS.toFixed(1)} s`,
      );
      expect(eachKiB).toBeLessThan(1024);
      expect(tookS).toBeLessThan(40);
      expect(read.value("vllm_router_attempts_total", { outcome: "client_closed" })).toBe(STALLED);
    },
    60_000,
  );
});
