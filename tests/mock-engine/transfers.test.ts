import { describe, expect, test } from "bun:test";
import { post, startEngine } from "./started.ts";

const ASK = { do_remote_decode: true, do_remote_prefill: false };
const text = "It was a dark and stormy night. ".repeat(40);

/** What an engine that prefills says of where its work is. */
const prefill = async (engine: ReturnType<typeof startEngine>, prompt = text) => {
  const answer = await post(engine, "/v1/completions", { prompt, max_tokens: 1, kv_transfer_params: ASK });
  const { kv_transfer_params } = (await answer.json()) as { kv_transfer_params: Record<string, unknown> };
  return kv_transfer_params;
};

describe("two engines", () => {
  test.each(["/v1/completions", "/v1/chat/completions"])(
    "divide a request to %s: the second computes one token of the prompt",
    async (path) => {
      await using first = startEngine({ role: "prefill" });
      await using second = startEngine({ role: "decode" });
      const input = path.includes("chat")
        ? { messages: [{ role: "user", content: text }] }
        : { prompt: text };
      const asked = await post(first, path, { ...input, max_tokens: 1, kv_transfer_params: ASK });
      const { kv_transfer_params: params } = (await asked.json()) as { kv_transfer_params: object };
      expect(params).toMatchObject({
        do_remote_prefill: true,
        do_remote_decode: false,
        remote_port: first.port,
      });
      expect(first.state().keptPrompts).toBe(1);

      const answer = await post(second, path, { ...input, max_tokens: 4, kv_transfer_params: params });
      const { usage } = (await answer.json()) as {
        usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
      };
      expect(answer.status).toBe(200);
      expect(usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens).toBe(1);
      expect(first.state().keptPrompts).toBe(0);
    },
  );

  test("stream what was prefilled", async () => {
    await using first = startEngine({ role: "prefill" });
    await using second = startEngine({ role: "decode" });
    const body = { prompt: text, stream: true, max_tokens: 3, kv_transfer_params: await prefill(first) };
    expect(await (await post(second, "/v1/completions", body)).text()).toContain("data: [DONE]");
  });
});

describe("an engine that decodes refuses", () => {
  const cases: readonly [string, (params: Record<string, unknown>) => Record<string, unknown>, string][] = [
    ["blocks that were never computed", (params) => ({ ...params, remote_block_ids: [999] }), text],
    ["another engine's name", (params) => ({ ...params, remote_engine_id: "other" }), text],
    ["parameters without an address", (params) => ({ ...params, remote_host: null }), text],
    ["the parameters of another prompt", (params) => params, `${text}?`],
  ];

  test.each(cases)("%s", async (_what, change, prompt) => {
    await using first = startEngine({ role: "prefill" });
    await using second = startEngine({ role: "decode" });
    const body = { prompt, kv_transfer_params: change(await prefill(first)) };
    const answer = await post(second, "/v1/completions", body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("The kv_transfer_params match no prefill");
    expect(first.state().keptPrompts).toBe(1);
  });

  test("what was fetched before", async () => {
    await using first = startEngine({ role: "prefill" });
    await using second = startEngine({ role: "decode" });
    const body = { prompt: text, kv_transfer_params: await prefill(first) };
    expect((await post(second, "/v1/completions", body)).status).toBe(200);
    expect((await post(second, "/v1/completions", body)).status).toBe(400);
  });
});

test("an engine that decodes fails where the one that prefilled is gone", async () => {
  await using first = startEngine({ role: "prefill" });
  await using second = startEngine({ role: "decode" });
  const params = { ...(await prefill(first)), remote_port: 9 };
  const answer = await post(second, "/v1/completions", { prompt: text, kv_transfer_params: params });
  expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining("KV load failure")]);
});

test("an engine without a role hands over and fetches nothing, whatever requests say", async () => {
  await using engine = startEngine();
  expect(await prefill(engine)).toBeNull();
  const made_up = { do_remote_prefill: true, remote_engine_id: "x" };
  expect((await post(engine, "/v1/completions", { prompt: text, kv_transfer_params: made_up })).status).toBe(
    200,
  );
});
