import { expect, test } from "bun:test";
import { readStream } from "../support/chunked-stream.ts";
import { residentKiB, startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { percentile } from "../support/statistics.ts";

const STREAMS = 1000;
const HELD = 300;

const route = ["--routing-logic=roundrobin"];

/** A streaming request that is like no other, under an id that makes its answer repeatable. */
const streamRequest = (index: number): string => {
  const messages = [{ role: "user", content: `Stream number ${index}, if you please` }];
  const body = JSON.stringify({ model: "m", stream: true, max_tokens: 24, ignore_eos: true, messages });
  return rawPost("/v1/chat/completions", body, [`x-request-id: stream-${index}`]);
};

/** The one field that depends on when a request comes. */
const withoutTime = (body: string): string => body.replaceAll(/"created":\d+/g, '"created":0');

test(`${STREAMS} streams at once through one router: every byte right, health answered meanwhile`, async () => {
  const engineArgs = ["--served-model-name=m", "--seed=3", `--max-num-seqs=${STREAMS}`];
  await using twin = await startEngineProcess([...engineArgs, "--time-scale=0"]);
  // Steps of 150 ms, however many requests share them: the first stream lasts until the last one has begun.
  const pace = ["--decode-ms=150", "--decode-ms-per-seq=0", "--prefill-tokens-per-second=1000000"];
  await using engine = await startEngineProcess([...engineArgs, ...pace]);
  await using router = await startRouterProcess([...staticArgs([["m", engine.url]]), ...route]);
  const indexes = Array.from({ length: STREAMS }, (_, index) => index);
  const expected = await Promise.all(indexes.map((index) => readStream(twin.port, streamRequest(index))));
  expect(new Set(expected.map(({ body }) => withoutTime(body))).size).toBe(STREAMS);

  const idleKiB = await residentKiB(router.child.pid);
  const over = new AbortController();
  let mostRunning = 0;
  let mostKiB = 0;
  const latencies: number[] = [];
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const askedAt = performance.now();
      const health = await fetch(`${router.url}/health`);
      latencies.push(performance.now() - askedAt);
      expect(health.status).toBe(200);
      mostRunning = Math.max(mostRunning, (await engine.state()).running);
      mostKiB = Math.max(mostKiB, (await residentKiB(router.child.pid)) ?? 0);
    }
  };
  const watching = watch();
  const startedAt = performance.now();
  const answers = await Promise.all(indexes.map((index) => readStream(router.port, streamRequest(index))));
  const took = performance.now() - startedAt;
  over.abort();
  await watching;

  for (const [index, { status, body, isWhole }] of answers.entries()) {
    expect([status, isWhole]).toEqual([200, true]);
    expect(withoutTime(body)).toBe(withoutTime(expected[index]?.body ?? ""));
  }
  expect(mostRunning).toBe(STREAMS);
  console.info(
    `${STREAMS} streams in ${(took / 1000).toFixed(1)} s; ` +
      `/health meanwhile: p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(0)} ms, most ${percentile(latencies, 1).toFixed(0)} ms of ${latencies.length}` +
      (idleKiB === undefined ? "" : `; ${((mostKiB - idleKiB) / STREAMS).toFixed(0)} KiB a stream`),
  );
  expect(percentile(latencies, 0.95)).toBeLessThan(100);
  if (idleKiB !== undefined) expect((mostKiB - idleKiB) / STREAMS).toBeLessThan(256);
}, 60_000);

test(`${HELD} requests that an engine never answers keep nobody else waiting`, async () => {
  await using silent = await startEngineProcess(["--served-model-name=silent", "--fault=hang"]);
  await using sound = await startEngineProcess(["--served-model-name=sound", "--time-scale=0"]);
  const backends = staticArgs([
    ["silent", silent.url],
    ["sound", sound.url],
  ]);
  await using router = await startRouterProcess([...backends, ...route]);
  const ask = (model: string): string => JSON.stringify({ model, prompt: "Hello", max_tokens: 2 });

  using held = new DisposableStack();
  for (let count = 0; count < HELD; count += 1)
    held.use(sendRaw(router.port, rawPost("/v1/completions", ask("silent"))));
  while ((await silent.state()).received < HELD);

  const askedAt = performance.now();
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${router.url}/v1/completions`, { method: "POST", headers, body: ask("sound") });
  const { status } = answer;
  const text = await answer.text();
  const took = performance.now() - askedAt;
  console.info(`beside ${HELD} unanswered requests another model answers in ${took.toFixed(0)} ms`);
  expect([status, text.includes('"completion_tokens":2')]).toEqual([200, true]);
  expect(took).toBeLessThan(1000);

  held.dispose();
  // All clients have left: the engine loses its connections, so the router has let go of every request.
  while ((await silent.state()).connections > 1);
}, 30_000);
