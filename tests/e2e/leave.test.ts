import { expect, test } from "bun:test";
import { readStream } from "../support/chunked-stream.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";

const STREAMS = 200;
const READY_TARGET_MS = 100;
/** Machines that run tests are busy: it is late for sure only beyond this many times the target. */
const TOLERANCE = 3;

const streamRequest = (tokens: number): string =>
  rawPost(
    "/v1/completions",
    JSON.stringify({ model: "m", stream: true, prompt: "Hello", max_tokens: tokens, ignore_eos: true }),
  );

test(`SIGTERM under ${STREAMS} streams: not ready at once, nobody is refused in the delay, nothing is cut`, async () => {
  const pace = ["--decode-ms=100", "--decode-ms-per-seq=0", "--prefill-tokens-per-second=1000000"];
  const size = `--max-num-seqs=${STREAMS + 100}`;
  await using engine = await startEngineProcess(["--served-model-name=m", size, ...pace]);
  await using router = await startRouterProcess([
    ...staticArgs([["m", engine.url]]),
    "--routing-logic=roundrobin",
    "--drain-delay-seconds=1",
  ]);
  // Of different lengths: some end in the delay, most after it.
  const answers = Array.from({ length: STREAMS }, async (_, index) =>
    readStream(router.port, streamRequest(20 + (index % 10))),
  );
  while ((await engine.state()).running < STREAMS);

  const askedAt = performance.now();
  router.child.kill("SIGTERM");
  while ((await fetch(`${router.url}/readyz`)).status !== 503);
  const unreadyMs = performance.now() - askedAt;
  expect((await fetch(`${router.url}/livez`)).status).toBe(200);

  let taken = 0;
  const late: string[] = [];
  while (performance.now() - askedAt < 900) {
    using client = sendRaw(router.port, streamRequest(2));
    late.push(await client.closed());
    taken += 1;
  }
  expect(taken).toBeGreaterThan(0);
  for (const answer of late) {
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\n0\r\n\r\n$/i);
  }

  const ended = await Promise.all(answers);
  expect(
    ended.filter(({ status, isWhole, body }) => status !== 200 || !isWhole || !body.includes("[DONE]")),
  ).toEqual([]);
  expect(await router.child.exited).toBe(0);
  const exitMs = performance.now() - askedAt;
  console.info(
    `${STREAMS} streams whole, ${taken} requests taken in the delay; ` +
      `not ready after ${unreadyMs.toFixed(0)} ms (target ${READY_TARGET_MS}), ended after ${exitMs.toFixed(0)} ms`,
  );
  expect(unreadyMs).toBeLessThan(READY_TARGET_MS * TOLERANCE);
  expect(await router.child.text("stderr")).toBe("");
}, 30_000);

test("what does not end within its time is told so: in its stream, or as the status where nothing was answered", async () => {
  await using slow = await startEngineProcess(["--served-model-name=m", "--decode-ms=1000"]);
  await using silent = await startEngineProcess(["--served-model-name=silent", "--fault=hang"]);
  await using router = await startRouterProcess([
    ...staticArgs([
      ["m", slow.url],
      ["silent", silent.url],
    ]),
    "--routing-logic=roundrobin",
    "--disable-health-check",
    "--drain-timeout-seconds=1",
  ]);
  using streaming = sendRaw(router.port, streamRequest(100));
  await streaming.until(/data: /);
  using waiting = sendRaw(router.port, rawPost("/v1/completions", '{"model":"silent","prompt":"x"}'));
  while ((await silent.state()).received < 1);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  const [cut, refused] = [await streaming.closed(), await waiting.closed()];
  expect(cut).toContain('"code":"router_shutdown"}}');
  expect(cut).not.toContain("[DONE]");
  expect(cut).not.toEndWith("\r\n0\r\n\r\n");
  expect(refused).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n[^]*"code":"router_shutdown"/i);
  expect(refused).toMatch(/\r\nconnection: close\r\n/i);
}, 20_000);

test("SIGINT, as Ctrl-C sends it, waits for no delay", async () => {
  await using router = await startRouterProcess(["http://127.0.0.1:9", "--drain-delay-seconds=60"]);
  router.child.kill("SIGINT");
  expect(await router.child.exited).toBe(0);
});
