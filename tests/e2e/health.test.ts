import { describe, expect, test } from "bun:test";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

const OPT = "facebook/opt-125m";
const LLAMA = "meta-llama/Llama-3.1-8B-Instruct";

/** Checks that are settled within a second or two. */
const quick = [
  "--health-check-interval-secs=0.2",
  "--health-check-timeout-secs=0.5",
  "--static-backend-health-check-interval=1",
  "--static-backend-health-check-timeout-seconds=1",
];

const startEngine = async (model: string, port?: number): Promise<EngineProcess> =>
  startEngineProcess([`--served-model-name=${model}`, "--time-scale=0"], port);

const chat = async (router: RunningProcess, model: string, id = "any") => {
  const response = await fetch(`${router.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": id },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], max_tokens: 3 }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

const counts = async (router: RunningProcess): Promise<unknown> =>
  (await fetch(`${router.url}/health`)).json();

/** How many of so many chats each engine got; `name` is told from every other in the log. */
const shares = async (router: RunningProcess, model: string, name: string, chats: number) => {
  for (let count = 1; count <= chats; count += 1) {
    expect((await chat(router, model, `${name}-${count}`)).status).toBe(200);
  }
  const log = await router.child.until(new RegExp(`Routing request ${name}-${chats} `));
  const routed = [
    ...log.matchAll(new RegExp(`Routing request ${name}-\\d+ with session id None to (\\S+) at`, "g")),
  ];
  const byUrl = Map.groupBy(routed, ([, url = ""]) => url);
  return Object.fromEntries([...byUrl].map(([url, lines]) => [url, lines.length]));
};

const times = (log: string, pattern: RegExp): number => [...log.matchAll(pattern)].length;

describe("three engines with health checks", () => {
  test("an engine that is killed is excluded, and included again when it is back", async () => {
    const [first, second, third] = await Promise.all([
      startEngine(OPT),
      startEngine(LLAMA),
      startEngine(OPT),
    ]);
    await using running = new AsyncDisposableStack();
    for (const engine of [first, second, third]) running.use(engine);
    const urls = [first.url, second.url, third.url];
    const router = running.use(
      await startRouterProcess([
        ..."--service-discovery static".split(" "),
        "--static-backends",
        urls.join(),
        "--static-models",
        [OPT, LLAMA, OPT].join(),
        "--static-aliases",
        `gpt4:${LLAMA}`,
        "--static-model-types",
        "chat,chat,chat",
        "--static-backend-health-checks",
        ..."--engine-stats-interval 10 --log-stats --routing-logic roundrobin".split(" "),
        ...quick,
      ]),
    );
    const answer = await chat(router, "gpt4");
    expect([answer.status, answer.body["model"]]).toEqual([200, LLAMA]);
    expect(await counts(router)).toEqual({ status: "healthy", endpoints: { total: 3, healthy: 3 } });

    first.child.kill("SIGKILL");
    await first.child.exited;
    await router.child.until(new RegExp(`WARNING: Engine ${first.url} is unhealthy`));
    expect(await counts(router)).toEqual({ status: "healthy", endpoints: { total: 3, healthy: 2 } });
    expect(await shares(router, OPT, "without", 6)).toEqual({ [third.url]: 6 });

    const returned = running.use(await startEngine(OPT, first.port));
    expect(returned.url).toBe(first.url);
    const log = await router.child.until(new RegExp(`INFO: Engine ${first.url} is healthy again`));
    expect(times(log, /is unhealthy/g)).toBe(1);
    expect(await counts(router)).toEqual({ status: "healthy", endpoints: { total: 3, healthy: 3 } });
    expect(await shares(router, OPT, "back", 6)).toEqual({ [first.url]: 3, [third.url]: 3 });
  }, 60_000);

  test("a model that fails on an engine that lives is left out there, and nowhere else", async () => {
    await using broken = await startEngine(OPT);
    await using sound = await startEngine(OPT);
    await using router = await startRouterProcess([
      ...staticArgs([
        [OPT, broken.url],
        [OPT, sound.url],
      ]),
      "--routing-logic=roundrobin",
      "--static-backend-health-checks",
      "--static-model-types=chat,chat",
      ...quick,
    ]);
    const setFault = async (fault?: string): Promise<void> => {
      const headers = { "content-type": "application/json" };
      const asked = { method: "POST", headers, body: JSON.stringify({ fault }) };
      expect((await fetch(`${broken.url}/mock/fault`, asked)).status).toBe(200);
    };
    await setFault("status=500");
    const model = `Model ${OPT} on ${broken.url}`;
    const log = await router.child.until(new RegExp(`WARNING: ${model} is unhealthy.*answered 500`));
    expect(times(log, /Engine \S+ is unhealthy/g)).toBe(0);
    expect(await shares(router, OPT, "left-out", 4)).toEqual({ [sound.url]: 4 });
    await setFault();
    await router.child.until(new RegExp(`INFO: ${model} is healthy again`));
    expect(await shares(router, OPT, "again", 4)).toEqual({ [broken.url]: 2, [sound.url]: 2 });
  }, 60_000);
});

describe("an engine that is frozen", () => {
  test("leaves, nothing can be routed, and it comes back when it goes on", async () => {
    await using engine = await startEngine(OPT);
    await using router = await startRouterProcess([
      ...staticArgs([[OPT, engine.url]]),
      "--routing-logic=roundrobin",
      ...quick,
    ]);
    const ready = async () => (await fetch(`${router.url}/readyz`)).status;
    expect(await ready()).toBe(200);

    engine.child.kill("SIGSTOP");
    await router.child.until(new RegExp(`WARNING: Engine ${engine.url} is unhealthy.*no answer in 0.5 s`));
    expect(await ready()).toBe(503);
    expect((await fetch(`${router.url}/livez`)).status).toBe(200);
    expect(await counts(router)).toEqual({ status: "healthy", endpoints: { total: 1, healthy: 0 } });
    expect(await chat(router, OPT)).toEqual({
      status: 503,
      body: { error: `Model '${OPT}' is temporarily unavailable. Please try again later.` },
    });

    engine.child.kill("SIGCONT");
    await router.child.until(new RegExp(`INFO: Engine ${engine.url} is healthy again`));
    expect(await ready()).toBe(200);
    expect((await chat(router, OPT)).status).toBe(200);
  }, 60_000);
});
