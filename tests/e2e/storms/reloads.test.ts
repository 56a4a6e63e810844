import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whenIdle } from "../../support/at-rest.ts";
import { readStream } from "../../support/chunked-stream.ts";
import { createHeld, describeHeld, grownOver, type Held, tellsWhatIsHeld } from "../../support/held.ts";
import { openFiles, startEngineProcess, startRouterProcess } from "../../support/processes.ts";
import { rawPost } from "../../support/raw-client.ts";

const LOGICS = ["roundrobin", "cacheaware", "leastload", "session"] as const;
const ROUNDS = 5;
const EACH_ROUND = 2 * LOGICS.length;
/** Of objects, that a round may leave: the timer of a router that is replaced runs on for two minutes, and all of one is thousands. */
const MAX_OBJECTS = EACH_ROUND * 50;
/** Of memory, that all rounds after the first may leave: half a mebibyte a router. */
const MAX_RESIDENT_KIB = (ROUNDS - 1) * EACH_ROUND * 512;

interface ReadyState {
  readonly config: { readonly reloads: number };
}

test(`${ROUNDS * EACH_ROUND} reloads leave nothing of the routers that they replace`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "router-reloads-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(async () => rm(folder, { recursive: true }));
  await using engine = await startEngineProcess([
    "--served-model-name=m",
    "--decode-ms=20",
    "--decode-ms-per-seq=0",
  ]);
  const file = join(folder, "router.json");
  const write = async (reload: number): Promise<unknown> =>
    Bun.write(
      file,
      JSON.stringify({
        static_backends: engine.url,
        static_models: "m",
        routing_logic: LOGICS[reload % LOGICS.length],
        session_key: "x-user-id",
      }),
    );
  await write(0);
  await using router = await startRouterProcess(
    ["--service-discovery=static", `--dynamic-config-json=${file}`],
    tellsWhatIsHeld,
  );
  const whatIsHeld = createHeld(router);
  const filesBefore = await openFiles(router.child.pid);
  const body = { model: "m", prompt: "Over and over", stream: true, max_tokens: 25, ignore_eos: true };
  const request = rawPost("/v1/completions", JSON.stringify(body));
  const reloads = async (): Promise<number> => {
    const state = (await (await fetch(`${router.url}/readyz?verbose`)).json()) as ReadyState;
    return state.config.reloads;
  };

  const heldAfter: Held[] = [];
  let reload = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    while (reload < round * EACH_ROUND) {
      const streaming = readStream(router.port, request);
      while ((await engine.state()).running === 0);
      await write((reload += 1));
      router.child.kill("SIGHUP");
      while ((await reloads()) < reload);
      expect(await streaming).toMatchObject({ status: 200, isWhole: true });
    }
    await whenIdle(router);
    heldAfter.push(await whatIsHeld());
  }
  console.info(`${reload} reloads, each under a stream; without garbage ${describeHeld(heldAfter)}`);
  const grown = grownOver(heldAfter);
  expect(grown.objects).toBeLessThan(MAX_OBJECTS);
  expect(grown.residentKiB).toBeLessThan(MAX_RESIDENT_KIB);
  expect((await openFiles(router.child.pid)) - filesBefore).toBeLessThanOrEqual(4);
}, 120_000);
