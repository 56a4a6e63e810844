import { expect, test } from "bun:test";
import { scrape } from "../support/at-rest.ts";
import { startRouterProcess, staticArgs } from "../support/processes.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";

const ANSWER_MS = 300;
const LIMIT_MS = 500;
const HELD_MS = 1000;
const TURNS = 5;
const AT_ONCE = 20;

test("what an engine answers while the router is held up is there in time, and no failure of the engine", async () => {
  await using engine = await startRawEngine((socket, { head }) => {
    if (head.startsWith("POST ")) setTimeout(() => socket.write(rawAnswer("{}")), ANSWER_MS);
    else socket.write(rawAnswer(""));
  });
  await using router = await startRouterProcess([
    ...staticArgs([["m", engine.url]]),
    "--routing-logic=roundrobin",
    "--disable-health-check",
    `--upstream-first-chunk-timeout-seconds=${LIMIT_MS / 1000}`,
  ]);
  const asked = (): number => engine.requests.filter(({ head }) => head.startsWith("POST ")).length;
  const statuses: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const before = asked();
    const asking = Array.from({ length: AT_ONCE }, async () =>
      fetch(`${router.url}/v1/completions`, { method: "POST", body: '{"model":"m"}' }),
    );
    while (asked() < before + AT_ONCE) await Bun.sleep(5);
    // As a machine that is paused, or a container that has used up its share of the processor.
    router.child.kill("SIGSTOP");
    await Bun.sleep(HELD_MS);
    router.child.kill("SIGCONT");
    for (const { status } of await Promise.all(asking)) statuses.push(status);
    await Bun.sleep(500);
  }
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  const { value } = await scrape(router);
  expect(value("vllm_router_attempts_total", { outcome: "failed" }) ?? 0).toBe(0);
  expect(value("vllm_router_attempts_total")).toBe(TURNS * AT_ONCE);
}, 60_000);
