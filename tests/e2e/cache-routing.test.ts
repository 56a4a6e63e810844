import { expect, test } from "bun:test";
import { startEngineProcess, startRouterProcess, staticArgs } from "../support/processes.ts";

interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

interface Completion {
  readonly choices: readonly [{ readonly message: { readonly content: string } }];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  };
}

const RULES = "You answer in few words, and never speak of the weather. ".repeat(60);

test("conversations find the caches that hold them, and another engine when theirs is gone", async () => {
  const engines = await Promise.all(
    Array.from({ length: 3 }, async () => startEngineProcess(["--served-model-name=m"])),
  );
  await using _engines = {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(engines.map(async (engine) => engine[Symbol.asyncDispose]()));
    },
  };
  await using router = await startRouterProcess([
    ...staticArgs(engines.map(({ url }) => ["m", url])),
    "--routing-logic=cacheaware",
    "--reason-header",
    "--endpoint-header",
  ]);

  const conversations = ["ada", "bob", "cyd", "dan"].map((name) => ({
    turns: [{ role: "system", content: `${name}: ${RULES}` }] as Turn[],
    engine: undefined as string | null | undefined,
    promptTokens: 0,
  }));

  const ask = async (conversation: (typeof conversations)[0], question: string) => {
    conversation.turns.push({ role: "user", content: question });
    const answer = await fetch(`${router.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "m", messages: conversation.turns, max_tokens: 8 }),
    });
    expect(answer.status).toBe(200);
    const { choices, usage } = (await answer.json()) as Completion;
    conversation.turns.push({ role: "assistant", content: choices[0].message.content });
    return {
      engine: answer.headers.get("x-vllm-router-endpoint"),
      reason: answer.headers.get("x-vllm-router-reason"),
      promptTokens: usage.prompt_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    };
  };

  for (const conversation of conversations) {
    const { engine, reason, promptTokens } = await ask(conversation, "Who are you?");
    expect(reason).toMatch(/^0 of \d+ tokens cached/);
    Object.assign(conversation, { engine, promptTokens });
  }
  for (let turn = 0; turn < 3; turn += 1) {
    for (const conversation of conversations) {
      const { engine, cached, promptTokens } = await ask(conversation, `Question ${turn}, if you please?`);
      expect(engine).toBe(conversation.engine ?? "");
      expect(cached).toBeGreaterThan(0.9 * conversation.promptTokens);
      conversation.promptTokens = promptTokens;
    }
  }

  for (const engine of engines.slice(0, 2)) await engine[Symbol.asyncDispose]();
  for (const conversation of conversations) {
    await ask(conversation, "Are you still there?");
    const { engine, cached, promptTokens } = await ask(conversation, "And now?");
    expect(cached).toBeGreaterThan(0.8 * promptTokens - 100);
    expect(engine).not.toBeNull();
  }
}, 30_000);
