import { expect, test } from "bun:test";
import { readExposition } from "../support/exposition.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";

const REQUESTS = 1000;
const WORKERS = 60;
const ENGINES = 3;
/** An answer takes 300 ms; the next engine dies when all that the last one had is answered elsewhere. */
const PERIOD_MS = 1500;

// Without streaming the first byte is the last one, so that a request is always before it.
const body = JSON.stringify({ model: "m", prompt: "Say something", max_tokens: 6, ignore_eos: true });
const pace = ["--served-model-name=m", "--decode-ms=50", "--decode-ms-per-seq=0", "--seed=1"];

test(`${REQUESTS} requests succeed while engines are killed under them, each with one more attempt at most`, async () => {
  await using children = new AsyncDisposableStack();
  const engines = await Promise.all(Array.from({ length: ENGINES }, async () => startEngineProcess(pace)));
  for (const engine of engines) children.use(engine);
  const backends = staticArgs(engines.map(({ url }) => ["m", url] as const));
  const router = children.use(await startRouterProcess([...backends, "--routing-logic=roundrobin"]));

  let kills = 0;
  const over = new AbortController();
  const kill = async (): Promise<void> => {
    for (let turn = 0; !over.signal.aborted; turn = (turn + 1) % ENGINES) {
      const engine = engines[turn];
      if (!engine) throw new Error("there is no such engine");
      while ((await engine.state()).running === 0) if (over.signal.aborted) return;
      engine.child.kill("SIGKILL");
      kills += 1;
      await engine.child.exited;
      await Bun.sleep(200);
      engines[turn] = children.use(await startEngineProcess(pace, engine.port));
      await Bun.sleep(PERIOD_MS);
    }
  };
  const killing = kill();

  const failures: string[] = [];
  const answers = new Set<string>();
  const latencies: number[] = [];
  let left = REQUESTS;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const begin = performance.now();
      const response = await fetch(`${router.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const text = await response.text();
      latencies.push(performance.now() - begin);
      if (response.status === 200) {
        const { choices } = JSON.parse(text) as { readonly choices: readonly { readonly text: string }[] };
        answers.add(choices[0]?.text ?? "");
      } else failures.push(`${response.status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  over.abort();
  await killing;

  const retries =
    readExposition(await (await fetch(`${router.url}/metrics`)).text()).value("vllm_router_retries_total", {
      model: "m",
    }) ?? 0;
  const longest = Math.max(...latencies);
  console.info(
    `${REQUESTS} requests over ${kills} kills of ${ENGINES} engines: ${failures.length} failed, ` +
      `${retries} attempts beyond the first, the longest took ${(longest / 1000).toFixed(2)} s`,
  );
  expect(failures).toEqual([]);
  expect(answers.size).toBe(1);
  expect(kills).toBeGreaterThan(1);
  expect(retries).toBeGreaterThan(0);
  router.child.kill("SIGTERM");
  expect(await router.child.text("stdout")).not.toContain("(attempt 3/3)");
}, 90_000);
