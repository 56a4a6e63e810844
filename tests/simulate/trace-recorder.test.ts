import { describe, expect, test } from "bun:test";
import type { RequestOutcome, TokenUsage } from "../../src/core/request-stats.ts";
import type { RoutingPolicy, RoutingRequest } from "../../src/routing/policy.ts";
import { createTimeline } from "../../src/simulate/timeline.ts";
import { createTraceRecorder } from "../../src/simulate/trace-recorder.ts";
import { parseTrace } from "../../src/simulate/workloads/trace.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { singlePlan } from "../support/single-plan.ts";

const candidates = candidatesAt(["http://a"]);
const plain: RoutingPolicy = {
  plan: (_request, [{ endpoint }]) => ({ endpoint, kind: "single", rule: "turn", reason: "the only one" }),
};

const start = (policy: RoutingPolicy = plain, salt = 1) => {
  const clock = createTimeline();
  const lines: string[] = [];
  const { record } = createTraceRecorder({
    clock,
    write: (line) => lines.push(line),
    onFull: () => lines.push("full"),
    salt: new Uint8Array(16).fill(salt),
  });
  const recorded = record(policy);

  /** Lets a request come, be sent and end. */
  const serve = async (
    text: string | undefined,
    usage: TokenUsage | undefined,
    {
      at = 0,
      outcome = "done",
      isInstant = false,
    }: { readonly at?: number; readonly outcome?: RequestOutcome; readonly isInstant?: boolean } = {},
  ) => {
    const request: RoutingRequest = {
      ...requestWith(),
      at,
      prompt: () => (text === undefined ? undefined : { root: "m", bytes: Buffer.from(text) }),
    };
    const { watcher } = singlePlan(await recorded.plan(request, candidates));
    watcher?.began();
    for (let task = isInstant ? undefined : clock.next(); task; task = clock.next()) task();
    watcher?.streamBegan(1);
    if (usage) watcher?.tokens(usage);
    watcher?.ended(outcome, 5, true);
  };
  const written = () => lines.map((line) => JSON.parse(line) as { hash_ids: readonly number[] });
  return { serve, lines, written };
};

const system = "You are a helpful assistant. ".repeat(200);
const secret = "my password is swordfish";

describe("a recorded trace", () => {
  test("has the times, the engine's own counts and one id for each 512 tokens", async () => {
    const { serve, written } = start();
    await serve(system, { input: 1450, output: 20 }, { at: 12.4 });
    expect(written()).toMatchObject([{ timestamp: 12, input_length: 1450, output_length: 20 }]);
    expect(written()[0]?.hash_ids).toHaveLength(3);
  });

  test("has equal ids as far as prompts are equal, and then others", async () => {
    const { serve, written } = start();
    await serve(`${system}first question ${"x".repeat(3000)}`, { input: 2200, output: 5 });
    await serve(`${system}other question ${"y".repeat(3000)}`, { input: 2200, output: 5 });
    const [one, other] = written().map(({ hash_ids }) => hash_ids);
    expect(one?.slice(0, 2)).toEqual(other?.slice(0, 2) ?? []);
    expect(one?.slice(2).some((id) => other?.includes(id))).toBe(false);
    expect(new Set([...(one ?? []), ...(other ?? [])]).size).toBe(8);
  });

  test("tells nothing of what was said, and another salt gives other ids", async () => {
    const texts = await Promise.all(
      [1, 2].map(async (salt) => {
        const { serve, lines, written } = start(plain, salt);
        await serve(secret.repeat(200), { input: 1200, output: 5 });
        expect(lines.join("")).not.toContain("swordfish");
        return written()[0]?.hash_ids[0];
      }),
    );
    expect(texts[0]).not.toBe(texts[1]);
  });

  test("has the ids of a prompt whose answer was there at once", async () => {
    const { serve, written } = start();
    await serve(system, { input: 1450, output: 20 });
    await serve(system, { input: 1450, output: 20 }, { isInstant: true });
    const [one, other] = written().map(({ hash_ids }) => hash_ids);
    expect(other?.slice(0, 2)).toEqual(one?.slice(0, 2) ?? []);
  });

  test("leaves out what broke off and what no engine counted", async () => {
    const { serve, lines } = start();
    await serve(system, { input: 10, output: 2 }, { outcome: "failed" });
    await serve(system, { input: 10, output: 2 }, { outcome: "client_closed" });
    await serve(system, undefined);
    expect(lines).toEqual([]);
  });

  test("has requests without a prompt of text, each by itself", async () => {
    const { serve, written } = start();
    await serve(undefined, { input: 600, output: 2 });
    await serve(undefined, { input: 600, output: 2 });
    expect(new Set(written().flatMap(({ hash_ids }) => hash_ids)).size).toBe(4);
  });

  test("can be replayed", async () => {
    const { serve, lines } = start();
    await serve(system, { input: 1400, output: 20 }, { at: 100 });
    await serve(system, { input: 1400, output: 30 }, { at: 350 });
    const trace = parseTrace(lines.join(""));
    expect(trace.map(({ atMs, outputTokens }) => [atMs, outputTokens])).toEqual([
      [0, 20],
      [250, 30],
    ]);
    expect(trace[0]?.prompt[1]).toEqual(trace[1]?.prompt[1]);
  });
});

test("the policy goes on as before: its watcher hears everything, late decisions included", async () => {
  const heard: string[] = [];
  const policy: RoutingPolicy = {
    plan: async (_request, [{ endpoint }]) => ({
      endpoint,
      kind: "single",
      rule: "turn",
      reason: "late",
      watcher: {
        began: () => heard.push("began"),
        streamBegan: () => heard.push("stream"),
        tokens: () => heard.push("tokens"),
        ended: (outcome) => heard.push(outcome),
      },
    }),
  };
  const { serve, lines } = start(policy);
  await serve(system, { input: 100, output: 2 });
  expect(heard).toEqual(["began", "stream", "tokens", "done"]);
  expect(lines).toHaveLength(1);
});
