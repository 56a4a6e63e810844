import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { readStream } from "../support/chunked-stream.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";
import { rawPost } from "../support/raw-client.ts";

const STREAMS = 20;

test("the wall clock jumps an hour forth, two back and home under streams: nothing is late, cut or unhealthy", async () => {
  const preload = fileURLToPath(import.meta.resolve("./clock-jump-preload.ts"));
  const pace = ["--decode-ms=100", "--decode-ms-per-seq=0"];
  await using engine = await startEngineProcess(["--served-model-name=m", ...pace]);
  await using router = await startRouterProcess(
    [
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      "--health-check-interval-secs=0.2",
      "--upstream-head-timeout-seconds=20",
      "--upstream-chunk-idle-timeout-seconds=20",
      "--request-timeout-seconds=60",
    ],
    { BUN_OPTIONS: `--preload ${preload}`, VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1" },
  );
  const body = JSON.stringify({ model: "m", prompt: "x", stream: true, max_tokens: 30, ignore_eos: true });
  const request = rawPost("/v1/completions", body);
  const answers: ReturnType<typeof readStream>[] = [];
  for (let jump = 0; jump < 4; jump += 1) {
    if (jump > 0) {
      router.child.kill("SIGUSR2");
      await router.child.until(new RegExp(`^jump ${jump}$`, "m"));
    }
    const running = answers.length + STREAMS / 4;
    for (let count = 0; count < STREAMS / 4; count += 1) answers.push(readStream(router.port, request));
    while ((await engine.state()).running < running);
  }
  const ended = await Promise.all(answers);
  expect(ended.map(({ status, isWhole }) => [status, isWhole])).toEqual(ended.map(() => [200, true]));
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  // The router did see the clock jump.
  const log = await router.child.text("stdout");
  const hours = new Set([...log.matchAll(/^\[([\d-]+ \d\d):.*Routing request/gm)].map(([, hour]) => hour));
  expect(hours.size).toBeGreaterThanOrEqual(3);
  expect(await router.child.text("stderr")).toBe("jump 1\njump 2\njump 3\n");
}, 60_000);
