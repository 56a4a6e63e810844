import { describe, expect, test } from "bun:test";
import { startCountingEngine } from "../support/counting-engine.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";

interface Completion {
  readonly usage: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  };
}

const disposeAll = async (all: readonly AsyncDisposable[]): Promise<void> => {
  await Promise.all(all.map(async (each) => each[Symbol.asyncDispose]()));
};

const startWorkers = async (engines: readonly { readonly url: string }[], args: readonly string[]) =>
  startRouterProcess([
    ...staticArgs(engines.map(({ url }) => ["m", url])),
    "--workers=2",
    "--endpoint-header",
    ...args,
  ]);

/** Over a connection of its own, so that any worker may get it. */
const ask = async (url: string, body: object, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "m", ...body }),
    keepalive: false,
  });
  expect(answer.status).toBe(200);
  const { usage } = (await answer.json()) as Completion;
  return {
    engine: answer.headers.get("x-vllm-router-endpoint") ?? "",
    promptTokens: usage?.prompt_tokens ?? 0,
    cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
  };
};

describe("two workers", () => {
  test.each(["leastload", "poweroftwo", "loadaware", "cacheaware"])(
    "send what comes by %s to the engine that has least from both of them",
    async (logic) => {
      // Nobody has an answer before the test is over.
      const engines = [startCountingEngine(60_000), startCountingEngine(60_000)] as const;
      await using _engines = { [Symbol.asyncDispose]: async () => disposeAll(engines) };
      await using router = await startWorkers(engines, [`--routing-logic=${logic}`]);
      const received = (): readonly number[] => engines.map((engine) => engine.received());
      for (let count = 1; count <= 20; count += 1) {
        // Prompts that have nothing in common.
        ask(router.url, { prompt: `${count}`.repeat(400) }).catch(() => {});
        while (received().reduce((sum, each) => sum + each, 0) < count) await Bun.sleep(1);
        const [one = 0, other = 0] = received();
        expect(Math.abs(one - other)).toBeLessThanOrEqual(1);
      }
    },
    60_000,
  );

  test("send a session to one engine, whichever of them gets its request", async () => {
    const engines = Array.from({ length: 3 }, () => startCountingEngine(0));
    await using _engines = { [Symbol.asyncDispose]: async () => disposeAll(engines) };
    await using router = await startWorkers(engines, ["--routing-logic=session", "--session-key=x-user"]);
    const chosen = new Set<string>();
    for (const user of ["ada", "bob", "cyd", "dan", "eva", "fay", "gil", "hal"]) {
      const answers = await Promise.all(
        Array.from({ length: 12 }, async () => ask(router.url, { prompt: "Hello" }, { "x-user": user })),
      );
      const own = new Set(answers.map(({ engine }) => engine));
      expect(own.size).toBe(1);
      for (const engine of own) chosen.add(engine);
    }
    expect(chosen.size).toBeGreaterThan(1);
  }, 60_000);

  test.each(["cacheaware", "prefixaware"])(
    "find by %s the cache that holds a prompt, whichever of them has sent its beginning",
    async (logic) => {
      const engines = await Promise.all(
        Array.from({ length: 3 }, async () =>
          startEngineProcess(["--served-model-name=m", "--time-scale=0"]),
        ),
      );
      await using _engines = { [Symbol.asyncDispose]: async () => disposeAll(engines) };
      await using router = await startWorkers(engines, [`--routing-logic=${logic}`]);
      const rules = "You answer in few words, and never speak of the weather. ".repeat(60);
      for (const name of ["ada", "bob", "cyd", "dan"]) {
        let prompt = `${name}: ${rules}`;
        const first = await ask(router.url, { prompt, max_tokens: 4 });
        let before = first.promptTokens;
        for (let turn = 0; turn < 10; turn += 1) {
          prompt += `Question ${turn}, if you please? `;
          const { engine, cached, promptTokens } = await ask(router.url, { prompt, max_tokens: 4 });
          expect(engine).toBe(first.engine);
          expect(cached).toBeGreaterThan(0.9 * before);
          before = promptTokens;
        }
      }
    },
    60_000,
  );
});
