import { describe, expect, test } from "bun:test";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";
import { readExposition } from "../support/exposition.ts";
import { startLoad } from "../support/load.ts";

/** Checks and ejections that are settled within seconds. */
const quick = [
  "--routing-logic=roundrobin",
  "--health-check-interval-secs=0.3",
  "--health-check-timeout-secs=0.3",
  "--cb-timeout-duration-secs=0.5",
  "--drain-delay-seconds=0",
];

const startEngine = async (port = 0): Promise<EngineProcess> =>
  startEngineProcess(["--served-model-name=m", "--time-scale=0"], port);

const startOver = async (engines: readonly EngineProcess[], more: readonly string[]) =>
  startRouterProcess([...staticArgs(engines.map(({ url }) => ["m", url] as const)), ...quick, ...more]);

const chat = async (router: RunningProcess): Promise<number> => {
  const response = await fetch(`${router.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hello" }], max_tokens: 3 }),
  });
  await response.arrayBuffer();
  return response.status;
};

const setFault = async ({ url }: EngineProcess, fault?: string): Promise<void> => {
  const headers = { "content-type": "application/json" };
  await fetch(`${url}/mock/fault`, { method: "POST", headers, body: JSON.stringify({ fault }) });
};

const stateOf = async (router: RunningProcess, { url }: EngineProcess): Promise<string | undefined> => {
  const { value } = readExposition(await (await fetch(`${router.url}/metrics`)).text());
  return ["serving", "slow_start", "ejected", "half_open", "unhealthy", "asleep"].find(
    (state) => value("vllm_router_engine_state", { server: url, state }) === 1,
  );
};

describe("one of three engines under load", () => {
  test("answers everything with 500: it is left out after five of them, and back when it is mended", async () => {
    await using bad = await startEngine();
    await using second = await startEngine();
    await using third = await startEngine();
    await using router = await startOver([bad, second, third], ["--slow-start-secs=0"]);
    await setFault(bad, "status=500");
    const clients = startLoad(router, 8);
    await router.child.until(new RegExp(`WARNING: Engine ${bad.url} gets no requests for`));
    expect(await stateOf(router, bad)).toMatch(/ejected|half_open/);
    const failed = clients.failed();
    await clients.further(100);
    // What the budget for other attempts does not cover is told as it is; from then on it covers the few probes.
    expect(failed).toBeLessThanOrEqual(5);
    await setFault(bad);
    const log = await router.child.until(new RegExp(`INFO: Engine ${bad.url} answers again`));
    expect(await stateOf(router, bad)).toBe("serving");
    await clients.stop();
    expect(clients.failed()).toBe(failed);
    expect([...log.matchAll(/gets no requests for/g)]).toHaveLength(1);
    expect(log).not.toContain("is unhealthy");
  }, 60_000);

  test("is killed and started again, and no client notices", async () => {
    const first = await startEngine();
    await using second = await startEngine();
    await using third = await startEngine();
    await using router = await startOver([first, second, third], ["--slow-start-secs=0"]);
    const clients = startLoad(router, 8);
    await clients.further(100);
    first.child.kill("SIGKILL");
    await first.child.exited;
    await router.child.until(new RegExp(`WARNING: Engine ${first.url} (?:gets no requests|is unhealthy)`));
    await clients.further(200);
    await using back = await startEngine(first.port);
    expect(back.url).toBe(first.url);
    while ((await stateOf(router, back)) !== "serving") await Bun.sleep(20);
    await clients.stop();
    expect(clients.failed()).toBe(0);
  }, 60_000);

  test("is frozen: those on it and those that come then are served by the others, and it gets its share when it goes on", async () => {
    await using frozen = await startEngine();
    await using second = await startEngine();
    await using third = await startEngine();
    await using router = await startOver([frozen, second, third], ["--slow-start-secs=0"]);
    frozen.child.kill("SIGSTOP");
    const caught = Array.from({ length: 9 }, async () => chat(router));
    await router.child.until(new RegExp(`WARNING: Engine ${frozen.url} is unhealthy.*no answer in 0.3 s`));
    expect((await Promise.all(caught)).filter((status) => status !== 200)).toEqual([]);
    const statuses = await Promise.all(Array.from({ length: 30 }, async () => chat(router)));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(await stateOf(router, frozen)).toBe("unhealthy");
    frozen.child.kill("SIGCONT");
    await router.child.until(new RegExp(`INFO: Engine ${frozen.url} is healthy again`));
    const { finished } = await frozen.state();
    for (let count = 0; count < 9; count += 1) expect(await chat(router)).toBe(200);
    expect((await frozen.state()).finished - finished).toBe(3);
  }, 60_000);

  test("is ten times slower than the others, and stays", async () => {
    await using slow = await startEngineProcess(["--served-model-name=m", "--time-scale=0.5"]);
    await using second = await startEngineProcess(["--served-model-name=m", "--time-scale=0.05"]);
    await using third = await startEngineProcess(["--served-model-name=m", "--time-scale=0.05"]);
    await using router = await startOver([slow, second, third], []);
    const statuses = await Promise.all(Array.from({ length: 90 }, async () => chat(router)));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(await stateOf(router, slow)).toBe("serving");
  }, 60_000);
});

describe("half of the engines come back together", () => {
  test.each([1, 2])(
    "and get their share bit by bit, with workers: %d",
    async (workers) => {
      const SLOW_START_S = 5;
      const engines = await Promise.all(Array.from({ length: 4 }, async () => startEngine()));
      await using running = new AsyncDisposableStack();
      for (const engine of engines) running.use(engine);
      const [first, second, third, fourth] = engines;
      if (!first || !second || !third || !fourth) throw new Error("four engines were started");
      const router = running.use(
        await startOver(engines, [`--slow-start-secs=${SLOW_START_S}`, `--workers=${workers}`]),
      );
      // Whoever comes before belongs to the start.
      await Bun.sleep(SLOW_START_S * 1000);
      for (const engine of [first, second]) engine.child.kill("SIGSTOP");
      for (const { url } of [first, second])
        await router.child.until(new RegExp(`WARNING: Engine ${url} is unhealthy`));
      expect(await chat(router)).toBe(200);
      for (const engine of [first, second]) engine.child.kill("SIGCONT");
      for (const { url } of [first, second])
        await router.child.until(new RegExp(`INFO: Engine ${url} is healthy again`));
      expect(await stateOf(router, first)).toBe("slow_start");
      expect(await stateOf(router, third)).toBe("serving");
      const served = async (): Promise<number> =>
        (await first.state()).finished + (await second.state()).finished;
      const before = await served();
      for (let count = 0; count < 40; count += 1) expect(await chat(router)).toBe(200);
      // Of 20 that were their full share.
      expect((await served()) - before).toBeLessThan(15);
      while ((await stateOf(router, first)) !== "serving" || (await stateOf(router, second)) !== "serving")
        await Bun.sleep(50);
      const then = await served();
      for (let count = 0; count < 100; count += 1) expect(await chat(router)).toBe(200);
      expect((await served()) - then).toBe(50);
    },
    60_000,
  );
});
