import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStream, type StreamedAnswer } from "../support/chunked-stream.ts";
import { type RunningProcess, startEngineProcess, startRouterProcess } from "../support/processes.ts";
import { rawPost } from "../support/raw-client.ts";
import { startFakeSentry } from "../support/sentry.ts";

const STREAMS = 500;
// A reload takes 250 ms at least, so that 200 of them need a minute.
const RELOADS = process.env["ROUTER_SOAK"] === "full" ? 200 : 50;

/** A file of its own for a test, gone with it. */
const createFile = async (name: string) => {
  const folder = await mkdtemp(join(tmpdir(), "router-reload-"));
  return {
    path: join(folder, name),
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true }),
  };
};

const streamRequest = (index: number, model: string, maxTokens: number): string => {
  const messages = [{ role: "user", content: `Stream number ${index}, if you please` }];
  const body = { model, stream: true, max_tokens: maxTokens, ignore_eos: true, messages };
  return rawPost("/v1/chat/completions", JSON.stringify(body), [`x-request-id: stream-${index}`]);
};

/** The one field that depends on when a request comes. */
const withoutTime = ({ body }: StreamedAnswer): string => body.replaceAll(/"created":\d+/g, '"created":0');

const complete = async ({ url }: RunningProcess, model: string): Promise<number> => {
  const body = JSON.stringify({ model, prompt: "Hello", max_tokens: 1 });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  await answer.text();
  return answer.status;
};

interface Shown {
  readonly endpoints: { readonly total: number };
  readonly dynamic_config: Readonly<Record<string, unknown>>;
}

const shown = async ({ url }: RunningProcess): Promise<Shown> =>
  (await (await fetch(`${url}/health`)).json()) as Shown;

/** Asks until `key` of the configuration in effect is `value`. */
const inEffect = async (router: RunningProcess, key: string, value: string): Promise<void> => {
  while ((await shown(router)).dynamic_config[key] !== value);
};

test("the contract's example is changed while a stream runs: seen by itself, shown by /health", async () => {
  const args = ["--seed=3", "--decode-ms=60"];
  await using opt = await startEngineProcess(["--served-model-name=facebook/opt-125m", ...args]);
  await using llama = await startEngineProcess([
    "--served-model-name=meta-llama/Llama-3.1-8B-Instruct",
    ...args,
  ]);
  await using twin = await startEngineProcess([
    "--served-model-name=meta-llama/Llama-3.1-8B-Instruct",
    ...args,
    "--time-scale=0",
  ]);
  await using other = await startEngineProcess([
    "--served-model-name=facebook/opt-125m",
    ...args,
    "--time-scale=0",
  ]);
  await using file = await createFile("router.json");
  const models = "facebook/opt-125m,meta-llama/Llama-3.1-8B-Instruct,facebook/opt-125m";
  const before = {
    service_discovery: "static",
    routing_logic: "roundrobin",
    static_backends: [opt, llama, other].map(({ url }) => url).join(),
    static_models: models,
  };
  await Bun.write(file.path, JSON.stringify(before));
  await using router = await startRouterProcess([
    `--dynamic-config-json=${file.path}`,
    "--dynamic-config-interval-seconds=1",
  ]);
  expect((await shown(router)).dynamic_config).toEqual({
    ...before,
    callbacks: null,
    decode_model_labels: null,
    k8s_label_selector: "",
    k8s_namespace: "default",
    k8s_port: 8000,
    prefill_model_labels: null,
    session_key: null,
    static_aliases: null,
    static_backend_health_check_interval: 60,
    static_backend_health_check_timeout_seconds: 10,
    static_backend_health_checks: false,
    static_model_labels: null,
    static_model_types: null,
  });
  const keys = Object.keys((await shown(router)).dynamic_config);
  expect(keys).toEqual(keys.toSorted());

  // It goes to the engine that the change takes away.
  const model = "meta-llama/Llama-3.1-8B-Instruct";
  const streaming = readStream(router.port, streamRequest(1, model, 80));
  while ((await llama.state()).running === 0);
  const after = {
    service_discovery: "static",
    routing_logic: "session",
    session_key: "x-user-id",
    static_backends: other.url,
    static_models: "facebook/opt-125m",
    static_aliases: "small:facebook/opt-125m",
  };
  await Bun.write(file.path, JSON.stringify(after));
  await inEffect(router, "session_key", "x-user-id");
  expect(await shown(router)).toMatchObject({ endpoints: { total: 1 }, dynamic_config: after });
  expect((await llama.state()).running).toBe(1);
  expect([await complete(router, "small"), await complete(router, model)]).toEqual([200, 404]);

  const { status, isWhole, body } = await streaming;
  expect([status, isWhole, body.endsWith("data: [DONE]\n\n")]).toEqual([200, true, true]);
  expect(withoutTime({ status, isWhole, body })).toBe(
    withoutTime(await readStream(twin.port, streamRequest(1, model, 80))),
  );
}, 30_000);

test("models in YAML; a broken file is named once and changes nothing, and is reported; SIGHUP has it looked at", async () => {
  await using engine = await startEngineProcess(["--served-model-name=m", "--time-scale=0"]);
  await using sentry = startFakeSentry();
  await using file = await createFile("router.yaml");
  const yaml = (alias: string): string => `
service_discovery: static
routing_logic: roundrobin
static_models:
  m:
    static_backends: [${engine.url}]
    static_model_type: completion
static_aliases:
  ${alias}: m
`;
  await Bun.write(file.path, yaml("first"));
  await using router = await startRouterProcess([
    `--dynamic-config-yaml=${file.path}`,
    `--sentry-dsn=${sentry.dsn}`,
  ]);
  expect((await shown(router)).dynamic_config).toMatchObject({
    static_backends: engine.url,
    static_models: "m",
    static_model_types: "completion",
    static_aliases: "first:m",
  });
  expect(await complete(router, "first")).toBe(200);

  await Bun.write(file.path, `${yaml("second")}static_backend: x\n`);
  router.child.kill("SIGHUP");
  await router.child.until(/ERROR: static_backend in \S+: no such key; did you mean static_backends\?/);
  expect([await complete(router, "first"), await complete(router, "second")]).toEqual([200, 404]);
  const [event] = await sentry.events(1);
  expect(event?.exception?.values[0]?.value).toContain("no such key; did you mean static_backends?");

  await Bun.write(file.path, yaml("third"));
  router.child.kill("SIGHUP");
  await inEffect(router, "static_aliases", "third:m");
  expect([await complete(router, "first"), await complete(router, "third")]).toEqual([404, 200]);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect((await router.child.text("stderr")).match(/no such key/g)).toHaveLength(1);
}, 30_000);

test(`${RELOADS} reloads under ${STREAMS} open streams: every byte right, no request without an answer`, async () => {
  const engineArgs = ["--served-model-name=m", "--seed=3", `--max-num-seqs=${STREAMS + 10}`];
  const pace = ["--decode-ms=200", "--decode-ms-per-seq=0", "--prefill-tokens-per-second=1000000"];
  await using twin = await startEngineProcess([...engineArgs, "--time-scale=0"]);
  await using first = await startEngineProcess([...engineArgs, ...pace]);
  await using second = await startEngineProcess([...engineArgs, ...pace]);
  // Of different lengths, so that they do not all end at once.
  const request = (index: number): string => streamRequest(index, "m", 16 + (index % 17));
  const indexes = Array.from({ length: STREAMS }, (_, index) => index);
  const expected = await Promise.all(indexes.map(async (index) => readStream(twin.port, request(index))));

  await using file = await createFile("router.json");
  const sets = [[first], [second], [first, second]];
  const write = async (reload: number): Promise<void> => {
    const backends = sets[reload % sets.length] ?? [first];
    const config = {
      service_discovery: "static",
      routing_logic: reload % 2 === 0 ? "roundrobin" : "session",
      session_key: "x-user-id",
      static_backends: backends.map(({ url }) => url).join(),
      static_models: backends.map(() => "m").join(),
      static_aliases: `reload-${reload}:m`,
    };
    await Bun.write(file.path, JSON.stringify(config));
  };
  await write(0);
  await using router = await startRouterProcess([`--dynamic-config-json=${file.path}`]);

  const over = new AbortController();
  let ended = 0;
  const stream = async (index: number): Promise<void> => {
    while (!over.signal.aborted) {
      const answer = await readStream(router.port, request(index));
      ended += 1;
      const { status, isWhole } = answer;
      expect([status, isWhole]).toEqual([200, true]);
      expect(withoutTime(answer)).toBe(withoutTime(expected[index] ?? answer));
    }
  };
  const running = async (): Promise<number> => (await first.state()).running + (await second.state()).running;
  const streaming = indexes.map(stream);
  while ((await running()) < STREAMS);

  const startedAt = performance.now();
  const statuses = new Map<number, number>();
  const ask = async (model: string): Promise<void> => {
    const status = await complete(router, model);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const asking = (async () => {
    while (!over.signal.aborted) await ask("m");
  })();
  const asked: Promise<void>[] = [];
  const open: number[] = [];
  for (let reload = 1; reload <= RELOADS; reload += 1) {
    await write(reload);
    router.child.kill("SIGHUP");
    await inEffect(router, "static_aliases", `reload-${reload}:m`);
    asked.push(ask(`reload-${reload}`));
    open.push(await running());
  }
  const took = performance.now() - startedAt;
  over.abort();
  await Promise.all([...streaming, ...asked, asking]);

  console.info(
    `${RELOADS} reloads in ${(took / 1000).toFixed(1)} s under ${Math.min(...open)} to ${Math.max(...open)} open streams; ` +
      `${ended} streams ended, each byte right; ${statuses.get(200) ?? 0} other requests answered meanwhile`,
  );
  expect([...statuses.keys()]).toEqual([200]);
  // Each stream is followed by the next, so a few are always between the two.
  expect(open.toSorted((left, right) => left - right)[Math.floor(open.length / 2)]).toBeGreaterThan(
    STREAMS * 0.9,
  );
  const verbose = (await (await fetch(`${router.url}/readyz?verbose`)).json()) as {
    readonly config: unknown;
  };
  expect(verbose.config).toMatchObject({ reloads: RELOADS, failed_reloads: 0, error: null });
  while ((await running()) > 0);
}, 180_000);
