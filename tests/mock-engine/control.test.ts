import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { createManualClock } from "./manual-clock.ts";
import { post, read, startEngine, until } from "./started.ts";

const ask = { prompt: "hello", max_tokens: 2 };

describe("what an engine says of itself", () => {
  test("its health, version and load", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    for (const path of ["/health", "/ping"]) {
      const response = await fetch(engine.url + path);
      expect([response.status, await response.text()]).toEqual([200, ""]);
    }
    expect((await read(await fetch(`${engine.url}/version`))).body).toEqual({ version: expect.any(String) });
    using client = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify({ ...ask, stream: true })));
    await client.until(/200 OK/);
    expect((await read(await fetch(`${engine.url}/load`))).body).toEqual({ server_load: 1 });
  });

  test("the requests that it got, exactly as they came, but not those of the tests themselves", async () => {
    await using engine = startEngine();
    const body = '{"prompt" : "hello", "max_tokens":2,"extra":null}';
    using client = sendRaw(engine.port, rawPost("/v1/completions?a=%20b&a=2", body, ["X-MiXed: Value"]));
    await client.until(/text_completion/);
    const { body: state } = await read(await fetch(`${engine.url}/mock/state`));
    expect(state).toEqual({
      running: 0,
      waiting: 0,
      aborted: 0,
      finished: 1,
      keptPrompts: 0,
      kvCacheUsage: 0,
      connections: 2,
      bufferedBytes: 0,
      received: 1,
      requests: [
        {
          method: "POST",
          target: "/v1/completions?a=%20b&a=2",
          headers: [
            ["Host", "router"],
            ["Content-Type", "application/json"],
            ["Content-Length", String(body.length)],
            ["X-MiXed", "Value"],
          ],
          bodyBytes: body.length,
          bodySha256: createHash("sha256").update(body).digest("hex"),
          receivedAt: expect.any(Number),
        },
      ],
    });
  });

  test("keeps the latest 256 requests in their order", async () => {
    await using engine = startEngine();
    for (let count = 0; count < 300; count += 1) await (await fetch(`${engine.url}/health?${count}`)).text();
    const { received, requests } = engine.state();
    expect([received, requests.length]).toEqual([300, 256]);
    expect([requests[0]?.target, requests.at(-1)?.target]).toEqual(["/health?44", "/health?299"]);
  });
});

describe("sleep", () => {
  const isSleeping = async (url: string): Promise<unknown> =>
    (await read(await fetch(`${url}/is_sleeping`))).body;

  test("ends what runs, holds what comes, and forgets the cache; waking lets it run", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    const stream = { prompt: "word ".repeat(100), max_tokens: 1000, ignore_eos: true, stream: true };
    using client = sendRaw(engine.port, rawPost("/v1/completions", JSON.stringify(stream)));
    await client.until(/200 OK/);
    await clock.advance(100);
    await client.until(/"text":/);
    expect((await post(engine, "/sleep?level=1", {})).status).toBe(200);
    await client.until(/"finish_reason":"abort".*\[DONE\]/s);
    expect(await isSleeping(engine.url)).toEqual({ is_sleeping: true });

    const held = post(engine, "/v1/completions", { ...stream, stream: false, max_tokens: 1 });
    await until(() => engine.state().waiting === 1);
    await clock.advance(10_000);
    expect(engine.state()).toMatchObject({ waiting: 1, running: 0 });
    expect((await post(engine, "/wake_up", {})).status).toBe(200);
    expect(await isSleeping(engine.url)).toEqual({ is_sleeping: false });
    await clock.advance(1000);
    const { body } = await read(await held);
    expect(body).toMatchObject({
      usage: { completion_tokens: 1, prompt_tokens_details: { cached_tokens: 0 } },
    });
  });

  test("in mode keep, what runs goes on where it was", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    const running = post(engine, "/v1/completions", { ...ask, max_tokens: 5, ignore_eos: true });
    await until(() => engine.state().received === 1);
    await clock.advance(5);
    await post(engine, "/sleep?mode=keep", {});
    await clock.advance(10_000);
    expect(engine.state()).toMatchObject({ running: 1, finished: 0 });
    await post(engine, "/wake_up", {});
    await clock.advance(1000);
    expect((await read(await running)).body).toMatchObject({ usage: { completion_tokens: 5 } });
  });

  test("other modes are refused", async () => {
    await using engine = startEngine();
    expect((await post(engine, "/sleep?mode=wait", {})).status).toBe(400);
    expect(await isSleeping(engine.url)).toEqual({ is_sleeping: false });
  });

  test("the prefix cache can be emptied without sleep", async () => {
    await using engine = startEngine();
    const cached = async (): Promise<unknown> =>
      (await read(await post(engine, "/v1/completions", { ...ask, prompt: "word ".repeat(20) }))).body;
    const details = (cached_tokens: number) => ({ usage: { prompt_tokens_details: { cached_tokens } } });
    await cached();
    expect(await cached()).toMatchObject(details(16));
    await post(engine, "/reset_prefix_cache", {});
    expect(await cached()).toMatchObject(details(0));
  });
});
