import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import type { MockEngine } from "../../src/mock-engine/engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { createManualClock } from "./manual-clock.ts";
import { post, startEngine, until } from "./started.ts";

const endless = { prompt: "word ".repeat(100), max_tokens: 20_000, ignore_eos: true };

describe("a client that leaves frees the engine at once", () => {
  const departures: [string, (socket: Socket) => void][] = [
    ["closing", (socket) => socket.destroy()],
    ["a reset", (socket) => socket.resetAndDestroy()],
    ["a half-close", (socket) => socket.end()],
  ];
  const phases: [string, number, boolean][] = [
    ["while its prompt is computed", 1, true],
    ["in mid-stream", 100, true],
    ["before a whole answer", 100, false],
  ];
  const cases = phases.flatMap((phase) => departures.map((departure) => [phase, departure] as const));

  test.each(cases)("%p, by %p", async ([, afterMs, stream], [, leave]) => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    using client = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify({ ...endless, stream })));
    await until(() => engine.state().waiting + engine.state().running === 1);
    await clock.advance(afterMs);
    expect(engine.state().kvCacheUsage).toBeGreaterThan(0);
    leave(client.socket);
    await until(() => engine.state().aborted === 1);
    expect(engine.state()).toMatchObject({ running: 0, waiting: 0, finished: 0, kvCacheUsage: 0 });
  });

  test("while it waits for its turn", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1, maxNumSeqs: 1 }, clock);
    using first = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify(endless)));
    await until(() => engine.state().running === 1);
    using second = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify(endless)));
    await until(() => engine.state().waiting === 1);
    second.socket.destroy();
    await until(() => engine.state().waiting === 0);
    expect(engine.state()).toMatchObject({ running: 1, aborted: 1 });
    first.socket.destroy();
    await until(() => engine.state().running === 0);
  });

  test("every prompt of a request, and every text to embed", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    const several = JSON.stringify({ ...endless, prompt: ["a", "b", "c"] });
    using completions = sendRaw(engine.port, rawPost("/v1/completions", several));
    using embeddings = sendRaw(engine.port, rawPost("/v1/embeddings", JSON.stringify({ input: ["a", "b"] })));
    await until(() => engine.state().waiting + engine.state().running === 5);
    completions.socket.destroy();
    embeddings.socket.destroy();
    await until(() => engine.state().aborted === 5);
    expect(engine.state()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("also when the engine is disposed", async () => {
    const engine = startEngine({ timeScale: 1 });
    const client = sendRaw(
      engine.port,
      rawPost("/v1/completions", JSON.stringify({ ...endless, stream: true })),
    );
    await client.until(/200 OK/);
    await engine[Symbol.asyncDispose]();
    expect(await client.closed()).not.toContain("[DONE]");
  });
});

test("a client that does not read costs what the answer is long, and gets every byte later", async () => {
  const clock = createManualClock();
  await using engine = startEngine({ keepAliveSeconds: 5 }, clock);
  using client = sendRaw(
    engine.port,
    rawPost("/v1/completions", JSON.stringify({ ...endless, stream: true })),
  );
  client.socket.pause();
  await until(() => engine.state().received === 1);
  // Longer than an idle connection is kept: this one is not idle.
  await clock.advance(60_000);
  expect(engine.state()).toMatchObject({ finished: 1, connections: 1 });
  expect(engine.state().bufferedBytes).toBeWithin(1, 10_000_000);
  client.socket.resume();
  await client.until(/\r\n0\r\n\r\n$/);
  expect(client.text().split("data: ")).toHaveLength(endless.max_tokens + 2);
  expect(engine.state().bufferedBytes).toBe(0);
});

/** Streams one answer through a raw socket and gives its body without the framing. */
const streamText = async (engine: MockEngine, prompt: string): Promise<string> => {
  const body = JSON.stringify({ prompt, max_tokens: 32, ignore_eos: true, stream: true });
  using client = sendRaw(
    engine.port,
    rawPost("/v1/completions", body, ["Connection: close", "X-Request-Id: same"]),
  );
  const text = await client.closed();
  expect(text).toEndWith("\r\n0\r\n\r\n");
  return text
    .slice(text.indexOf("\r\n\r\n") + 4)
    .replaceAll(/(^|\r\n)[0-9a-f]+\r\n/g, "")
    .replaceAll(/"created":\d+/g, "");
};

test("1,000 streams at once are all whole, each with its own words", async () => {
  const clock = createManualClock();
  await using engine = startEngine({ timeScale: 1, maxNumSeqs: 1000 }, clock);
  const prompts = Array.from({ length: 1000 }, (_, index) => `tell me of ${index}`);
  const all = Promise.all(prompts.map(async (prompt) => streamText(engine, prompt)));
  await until(() => engine.state().running + engine.state().waiting === 1000);
  await clock.advance(60_000);
  const texts = await all;
  expect(engine.state()).toMatchObject({ finished: 1000, aborted: 0, running: 0, kvCacheUsage: 0 });

  // Alone, on an engine of its own, every one of them says the same.
  await using quiet = startEngine();
  for (const [index, prompt] of prompts.entries()) {
    if (index % 100 === 0) expect(await streamText(quiet, prompt)).toBe(texts[index] ?? "");
  }
  expect(new Set(texts).size).toBe(1000);
  for (const text of texts) expect(text.split("data: ")).toHaveLength(34);
}, 20_000);

test("requests on one connection do not disturb each other", async () => {
  await using engine = startEngine();
  for (let count = 0; count < 200; count += 1) {
    const stream = count % 2 === 0;
    const response = await post(engine, "/v1/completions", { prompt: `p${count}`, max_tokens: 2, stream });
    expect(await response.text()).toContain(stream ? "[DONE]" : "text_completion");
  }
  expect(engine.state()).toMatchObject({ finished: 200, aborted: 0 });
});
