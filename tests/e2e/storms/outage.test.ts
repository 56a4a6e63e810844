import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { scrape } from "../../support/at-rest.ts";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../../support/processes.ts";
import { rawAnswer, startRawEngine } from "../../support/raw-engine.ts";
import { percentile } from "../../support/statistics.ts";

const ENGINES = 3;
const A_SECOND = 75;
const SECONDS = 4;
const REQUESTS = A_SECOND * SECONDS;
const PROBE_INTERVAL_MS = 1000;
/** Probes in a row that an engine has to pass, each up to a fifth later than the interval says. */
const RISE = 2;

/** Attempts that may come of so many requests (R3). */
const MOST_ATTEMPTS = REQUESTS * 1.2 + 3 * SECONDS;

const startEngine = async (port = 0): Promise<EngineProcess> =>
  startEngineProcess(["--served-model-name=m", "--time-scale=0"], port);

const start = async (urls: readonly string[]): Promise<RunningProcess> =>
  startRouterProcess([
    ...staticArgs(urls.map((url) => ["m", url] as const)),
    "--routing-logic=roundrobin",
    `--health-check-interval-secs=${PROBE_INTERVAL_MS / 1000}`,
  ]);

const ask = async ({ url }: RunningProcess): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"model":"m","prompt":"x","max_tokens":1}',
  });

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly ms: number;
  /** What a process that does nothing else took for an answer at the same time. */
  readonly elsewhereMs: number;
}

const timed = async <Value>(asking: Promise<Value>): Promise<readonly [Value, number]> => {
  const askedAt = performance.now();
  return [await asking, performance.now() - askedAt];
};

/** Sends requests at a steady rate, whatever becomes of those before. */
const storm = async (router: RunningProcess): Promise<readonly Told[]> => {
  await using idle = await startEngine();
  const begin = performance.now();
  const asking = Array.from({ length: REQUESTS }, async (_, index): Promise<Told> => {
    await Bun.sleep(Math.max(0, begin + (index * 1000) / A_SECOND - performance.now()));
    const answer = ask(router).then(async (response) => ({ response, text: await response.text() }));
    const [[{ response, text }, ms], [, elsewhereMs]] = await Promise.all([
      timed(answer),
      timed(fetch(`${idle.url}/health`).then(async (health) => health.arrayBuffer())),
    ]);
    return { status: response.status, headers: response.headers, text, ms, elsewhereMs };
  });
  return await Promise.all(asking);
};

const attemptsOf = async (router: RunningProcess): Promise<number> =>
  (await scrape(router)).value("vllm_router_attempts_total") ?? 0;

/** Time within which nearly all requests have their answer (R11). */
const SOON_MS = 50;

const p99Of = (times: readonly number[]): number => percentile(times, 0.99);

/** The p99 of the answers, less what the machine made of that of a process that does nothing else. */
const slownessOf = (told: readonly Told[]): number =>
  p99Of(told.map(({ ms }) => ms)) - p99Of(told.map(({ elsewhereMs }) => elsewhereMs));

const report = (what: string, told: readonly Told[], attempts: number): void => {
  const times = told.map(({ ms }) => ms);
  console.info(
    `${what}: ${told.length} requests in ${SECONDS} s became ${attempts} attempts of ${MOST_ATTEMPTS} allowed; ` +
      `answered after p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${p99Of(times).toFixed(1)} ms (an idle process ${p99Of(told.map(({ elsewhereMs }) => elsewhereMs)).toFixed(1)} ms)`,
  );
};

describe("a total outage is not amplified, and is told at once", () => {
  test("of engines that are killed; service is back when one of them has passed its probes", async () => {
    await using children = new AsyncDisposableStack();
    const engines: EngineProcess[] = [];
    for (let count = 0; count < ENGINES; count += 1) engines.push(children.use(await startEngine()));
    const router = children.use(await start(engines.map(({ url }) => url)));
    expect((await ask(router)).status).toBe(200);
    for (const { child } of engines) child.kill("SIGKILL");
    await Promise.all(engines.map(async ({ child }) => child.exited));
    const before = await attemptsOf(router);
    const told = await storm(router);
    const attempts = (await attemptsOf(router)) - before;
    report("killed engines", told, attempts);
    expect(attempts).toBeLessThanOrEqual(MOST_ATTEMPTS);
    // From the first one on, although it takes probes some time to find that nobody is there.
    for (const { status, headers, text } of told) {
      expect(status).toBe(503);
      expect(JSON.parse(text)).toHaveProperty("error");
      expect(headers.get("retry-after")).toMatch(/^\d+$/);
      expect(headers.get("x-should-retry")).toBe("true");
    }
    expect(slownessOf(told)).toBeLessThan(SOON_MS);

    const first = engines[0];
    if (!first) throw new Error("engines were started");
    children.use(await startEngine(first.port));
    const backAt = performance.now();
    while ((await ask(router)).status !== 200) await Bun.sleep(10);
    const tookMs = performance.now() - backAt;
    console.info(`served again ${tookMs.toFixed(0)} ms after an engine came back`);
    expect(tookMs).toBeLessThan(RISE * PROBE_INTERVAL_MS * 1.2 + 300);
  }, 60_000);

  test.each<[string, (socket: Socket) => void]>([
    ["that reset every connection", (socket) => socket.resetAndDestroy()],
    ["that close every connection", (socket) => socket.end()],
    ["that answer 500", (socket) => socket.write(rawAnswer("{}", {}, "500 Internal Server Error"))],
    ["that answer 503", (socket) => socket.write(rawAnswer("{}", {}, "503 Service Unavailable"))],
    ["that speak no HTTP", (socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n")],
  ])(
    "of engines %s although they pass their checks",
    async (what, fail) => {
      await using parts = new AsyncDisposableStack();
      const engines = await Promise.all(
        Array.from({ length: ENGINES }, async () =>
          startRawEngine((socket, { head }) => {
            if (head.startsWith("POST ")) fail(socket);
            else socket.write(rawAnswer("{}"));
          }),
        ),
      );
      for (const engine of engines) parts.use(engine);
      const router = parts.use(await start(engines.map(({ url }) => url)));
      const told = await storm(router);
      const sent = engines.flatMap(({ requests }) => requests.filter(({ head }) => head.startsWith("POST ")));
      report(`engines ${what}`, told, sent.length);
      expect(sent.length).toBeLessThanOrEqual(MOST_ATTEMPTS);
      expect(told.filter(({ status }) => status < 500)).toEqual([]);
      expect(slownessOf(told)).toBeLessThan(SOON_MS);
    },
    60_000,
  );
});
