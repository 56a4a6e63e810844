import { expect, test } from "bun:test";
import { runCli } from "../../src/cli.ts";
import { lendPlatform } from "./lent.ts";

/** An engine that begins its answers and ends them when told. */
const startEngine = () => {
  const { promise: ending, resolve: end } = Promise.withResolvers<void>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: { "/metrics": new Response("vllm:num_requests_running 0\n"), "/health": new Response() },
    fetch: () => {
      ask();
      const body = async function* () {
        yield "first,";
        await ending;
        yield "last";
      };
      return new Response(body());
    },
  });
  return { url: server.url.origin, asked, end, [Symbol.dispose]: () => void server.stop(true) };
};

const serve = async (argv: readonly string[]) => {
  const lent = lendPlatform();
  const ended = runCli(["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", ...argv], lent.platform);
  const firstLine = await lent.line(/listens on|error/i);
  return { ...lent, ended, firstLine, url: /http:\/\/[^ ]*\d/.exec(firstLine)?.[0] ?? "" };
};

const startWithEngine = async (engine: string, ...more: readonly string[]) =>
  serve([
    "--service-discovery=static",
    "--routing-logic=roundrobin",
    `--static-backends=${engine}`,
    "--static-models=m",
    ...more,
  ]);

const chat = async (url: string) =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify({ model: "m", messages: [] }) });

/** Why a promise is rejected. */
const failure = async (promise: Promise<unknown>): Promise<string> => promise.then(() => "it is not", String);

test("it says where it listens, routes, and ends with 0 when asked to", async () => {
  using engine = startEngine();
  const router = await startWithEngine(engine.url);
  expect(router.firstLine).toMatch(
    /vllm-router \d+\.\d+\.\d+ listens on http:\/\/127\.0\.0\.1:\d+: 1 engine, roundrobin/,
  );
  engine.end();
  expect(await (await chat(router.url)).text()).toBe("first,last");
  router.stop.abort();
  expect(await router.ended).toBe(0);
  expect(router.stderr()).toBe("");
  expect(await failure(fetch(`${router.url}/health`))).toMatch(/connect/i);
});

test("a request under way is finished before it ends", async () => {
  using engine = startEngine();
  const router = await startWithEngine(engine.url);
  const response = await chat(router.url);
  router.stop.abort();
  await router.line(/1 under way may finish/);
  engine.end();
  expect(await response.text()).toBe("first,last");
  expect(await router.ended).toBe(0);
});

test("asked twice, it cuts what is under way and still ends with 0", async () => {
  using engine = startEngine();
  const router = await startWithEngine(engine.url);
  const response = await chat(router.url);
  router.stop.abort();
  await router.line(/1 under way may finish/);
  router.stopNow.abort();
  expect(await router.ended).toBe(0);
  expect(await failure(response.text())).toMatch(/closed/i);
});

test("in the delay it is not ready, and answers close their connections", async () => {
  using engine = startEngine();
  engine.end();
  const router = await startWithEngine(engine.url, "--drain-delay-seconds=60");
  expect((await chat(router.url)).headers.get("connection")).not.toBe("close");
  router.stop.abort();
  await router.line(/requests are still taken for 60 s/);
  const ready = await fetch(`${router.url}/readyz`);
  expect([ready.status, ready.headers.get("connection")]).toEqual([503, "close"]);
  const answer = await chat(router.url);
  expect([await answer.text(), answer.headers.get("connection")]).toEqual(["first,last", "close"]);
  expect((await fetch(`${router.url}/nope`)).headers.get("connection")).toBe("close");
  router.stopAccepting.abort();
  expect(await router.ended).toBe(0);
});

test("a port that is taken is one line and exit 1", async () => {
  using taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const router = await serve([`--port=${taken.port}`, "http://127.0.0.1:9"]);
  expect(await router.ended).toBe(1);
  expect(router.firstLine).toContain(`Cannot listen on 127.0.0.1:${taken.port}`);
});

test("an address that this machine does not have is one line and exit 1, at once", async () => {
  const askedAt = performance.now();
  const router = await serve(["--host=203.0.113.1", "--port=8001", "http://127.0.0.1:9"]);
  expect(await router.ended).toBe(1);
  expect(performance.now() - askedAt).toBeLessThan(1000);
  expect(router.firstLine).toContain("ERROR: Cannot listen on 203.0.113.1:8001: ");
});

test("warnings of the configuration are in the log", async () => {
  const router = await serve([
    "http://127.0.0.1:9",
    "--sentry-profile-session-sample-rate=1",
    "--log-format=json",
  ]);
  router.stop.abort();
  await router.ended;
  const [line = "{}"] = router.stderr().split("\n");
  expect(JSON.parse(line)).toMatchObject({
    level: "WARNING",
    message: "--sentry-profile-session-sample-rate has no effect: the runtime has no profiler for Sentry",
  });
});
