import { expect, test } from "bun:test";
import { whenIdle } from "../../support/at-rest.ts";
import { createHeld, describeHeld, grownOver, type Held, tellsWhatIsHeld } from "../../support/held.ts";
import { openFiles, startEngineProcess, startRouterProcess, staticArgs } from "../../support/processes.ts";
import { rawPost, sendRaw } from "../../support/raw-client.ts";

const ROUNDS = 8;
const EACH_ROUND = 520;
const REQUESTS = ROUNDS * EACH_ROUND;
const AT_ONCE = 40;
/** Of objects, that a round may leave: one for twenty requests. */
const MAX_OBJECTS = EACH_ROUND / 20;
/** Of memory, that all rounds after the first may leave: 4 KiB a request, or what the allocator keeps now and then. */
const MAX_RESIDENT_KIB = (ROUNDS - 1) * EACH_ROUND * 4;

const FAULTS = [
  undefined,
  "status=500",
  "status=503",
  "status=429",
  "refuse",
  "reset",
  "garbage",
  "hang",
  "delay=50",
  "reset-after=700",
  "truncate-after=700",
  "stall-after=700",
  "error-event=3",
] as const;

const requestOf = (index: number): string => {
  const fault = FAULTS[index % FAULTS.length];
  const body = {
    model: "m",
    stream: Math.floor(index / FAULTS.length) % 2 === 0,
    max_tokens: 20,
    ignore_eos: true,
    messages: [{ role: "user", content: `Round and round ${index}` }],
  };
  return rawPost("/v1/chat/completions", JSON.stringify(body), [
    ...(fault === undefined ? [] : [`X-Mock-Fault: ${fault}`]),
    "Connection: close",
  ]);
};

test(`${REQUESTS} requests of which most go wrong in every way leave nothing in memory`, async () => {
  await using engine = await startEngineProcess([
    "--served-model-name=m",
    "--decode-ms=1",
    "--decode-ms-per-seq=0",
  ]);
  await using router = await startRouterProcess(
    [
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      "--upstream-head-timeout-seconds=0.3",
      "--upstream-first-chunk-timeout-seconds=0.3",
      "--upstream-chunk-idle-timeout-seconds=0.3",
    ],
    tellsWhatIsHeld,
  );
  const whatIsHeld = createHeld(router);
  const filesBefore = await openFiles(router.child.pid);
  const heldAfter: Held[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < EACH_ROUND) {
        using client = sendRaw(router.port, requestOf((next += 1)));
        await client.closed();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await whenIdle(router);
    heldAfter.push(await whatIsHeld());
  }
  const atRest = await whenIdle(router);
  const attempts = (outcome: string): number => atRest.value("vllm_router_attempts_total", { outcome }) ?? 0;
  const [done, refused, failed] = [attempts("done"), attempts("refused"), attempts("failed")];
  console.info(
    [
      `${REQUESTS} requests, attempts ${done} done, ${refused} refused, ${failed} failed;`,
      `without garbage ${describeHeld(heldAfter)}`,
    ].join(" "),
  );
  // Each of them came to the engine, and most went wrong.
  expect(done + refused + failed).toBeGreaterThanOrEqual(REQUESTS);
  expect(failed).toBeGreaterThan(REQUESTS / 2);
  const grown = grownOver(heldAfter);
  expect(grown.objects).toBeLessThan(MAX_OBJECTS);
  expect(grown.residentKiB).toBeLessThan(MAX_RESIDENT_KIB);
  // Those of the connection over which this test asks for metrics, and of those that are kept to the engine.
  expect((await openFiles(router.child.pid)) - filesBefore).toBeLessThanOrEqual(AT_ONCE);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect(await router.child.text("stderr")).not.toContain("defect of the router");
}, 120_000);
