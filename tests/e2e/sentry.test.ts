import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { startChild } from "../cli/child.ts";
import { builtBinary } from "../support/binary.ts";
import { startEngineProcess } from "../support/processes.ts";
import { startFakeSentry } from "../support/sentry.ts";
import { version } from "../../src/version.ts";

const LISTENS = /listens on (http:\S+): /;
const KEY = "canary-of-the-engines-key";

const DEAD = "http://127.0.0.1:9";

/** The compiled router; SIGUSR2 makes it fail twice. */
const start = async (...args: readonly string[]) => {
  const preload = fileURLToPath(import.meta.resolve("../cli/faulty-preload.ts"));
  const variables = {
    BUN_OPTIONS: `--preload ${preload}`,
    VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1",
    VLLM_API_KEY: KEY,
  };
  const given = ["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", ...args];
  const child = startChild(given, variables, [await builtBinary()]);
  const [, url = ""] = LISTENS.exec(await child.until(LISTENS)) ?? [];
  return { child, url, [Symbol.asyncDispose]: child[Symbol.asyncDispose] };
};

const PLANTED = /planted rejection[^]*planted throw|planted throw[^]*planted rejection/;

test("errors that nobody caught arrive once, with release and tags, and no key", async () => {
  await using sentry = startFakeSentry();
  await using router = await start(DEAD, `--sentry-dsn=${sentry.dsn}`);
  router.child.kill("SIGUSR2");
  const events = await sentry.events(2);
  const values = events.map(({ exception }) => exception?.values[0]?.value);
  expect(new Set(values)).toEqual(new Set(["planted rejection", "planted throw"]));
  for (const event of events) {
    expect(event).toMatchObject({
      release: `vllm-router@${version}`,
      tags: { routing_logic: "roundrobin", service_discovery: "static" },
    });
  }
  router.child.kill("SIGUSR2");
  expect((await fetch(`${router.url}/livez`)).status).toBe(200);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect(sentry.bodies).toHaveLength(2);
  expect(sentry.bodies.join("")).not.toContain(KEY);
  const logged = (await router.child.text("stdout")) + (await router.child.text("stderr"));
  expect(logged).not.toContain(sentry.dsn);
});

test.each(["silent", "dead"])("a %s Sentry holds up neither requests nor the end", async (state) => {
  await using sentry = startFakeSentry({ silent: true });
  if (state === "dead") await sentry[Symbol.asyncDispose]();
  await using router = await start(DEAD, `--sentry-dsn=${sentry.dsn}`);
  router.child.kill("SIGUSR2");
  await router.child.until(PLANTED);
  if (state === "silent") await sentry.events(2);
  expect((await fetch(`${router.url}/livez`)).status).toBe(200);
  const askedAt = performance.now();
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect(performance.now() - askedAt).toBeLessThan(4000);
  // Nothing of its own troubles becomes a fault of the router.
  expect((await router.child.text("stderr")).match(/A defect of the router/g)).toHaveLength(2);
});

const CANARIES = ["canary-prompt", "canary-token", "canary-query", KEY];

test("sampled requests are traced: route, model, engine id and times, and nothing that is the client's", async () => {
  await using sentry = startFakeSentry();
  await using engine = await startEngineProcess(["--served-model-name=m", "--time-scale=0"]);
  await using router = await start(
    "--service-discovery=static",
    `--static-backends=${engine.url}`,
    "--static-models=m",
    "--routing-logic=roundrobin",
    `--sentry-dsn=${sentry.dsn}`,
    "--sentry-traces-sample-rate=1",
  );
  const ask = async (path: string, model: string): Promise<void> => {
    const response = await fetch(`${router.url}${path}?key=canary-query`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer canary-token" },
      body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "canary-prompt" }] }),
    });
    await response.text();
  };
  await ask("/v1/chat/completions", "m");
  await ask("/v1/canary-prompt/x", "canary-prompt");
  await fetch(`${router.url}/health`);
  const sent = await sentry.transactions(2);
  const engines = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
  expect(sent.map(({ transaction }) => transaction)).toEqual(["POST /v1/chat/completions", "POST /v1/*"]);
  expect(sent.map(({ contexts }) => contexts?.trace?.status)).toEqual(["ok", "not_found"]);
  expect(sent[0]?.spans?.map(({ description }) => description)).toEqual([engines[0]?.engine_id ?? ""]);
  expect(sent[0]).toMatchObject({ release: `vllm-router@${version}`, tags: { routing_logic: "roundrobin" } });
  const bodies = sentry.bodies.join("");
  for (const canary of [...CANARIES, engine.url, new URL(engine.url).host])
    expect(bodies).not.toContain(canary);
});

test("a rate of 0 traces nothing, and errors still arrive", async () => {
  await using sentry = startFakeSentry();
  await using router = await start(DEAD, `--sentry-dsn=${sentry.dsn}`, "--sentry-traces-sample-rate=0");
  await fetch(`${router.url}/v1/completions`, { method: "POST", body: '{"model":"m"}' });
  router.child.kill("SIGUSR2");
  await sentry.events(2);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect(sentry.bodies.join("")).not.toContain('"type":"transaction"');
});
