import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { MockEngine } from "../../src/mock-engine/engine.ts";
import { parseFault } from "../../src/mock-engine/faults.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { createManualClock } from "./manual-clock.ts";
import { eventsOf, post, read, startEngine, until } from "./started.ts";

const whole = JSON.stringify({ prompt: "hello", max_tokens: 3 });
const streamed = JSON.stringify({ prompt: "hello", max_tokens: 3, stream: true });
const request = (body: string, fault: string): string =>
  rawPost("/v1/completions", body, [`X-Mock-Fault: ${fault}`, "X-Request-Id: r"]);

/** Sends a request and waits for the end of the connection; says how it ended. */
const exchange = async (
  engine: MockEngine,
  bytes: string,
): Promise<{ text: string; ending: "fin" | "reset" }> => {
  const { promise, resolve } = Promise.withResolvers<{ text: string; ending: "fin" | "reset" }>();
  let text = "";
  let ending: "fin" | "reset" = "fin";
  const socket = connect(engine.port, "127.0.0.1", () => socket.write(bytes));
  socket.on("data", (data) => (text += Buffer.from(data).toString("latin1")));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    expect(error.code).toBe("ECONNRESET");
    ending = "reset";
  });
  socket.on("close", () => resolve({ text, ending }));
  return promise;
};

const bodyOf = (text: string): string => text.slice(text.indexOf("\r\n\r\n") + 4);

describe("a fault that a request asks for", () => {
  test("refuse: the connection ends in order, without an answer", async () => {
    await using engine = startEngine();
    expect(await exchange(engine, request(whole, "refuse"))).toEqual({ text: "", ending: "fin" });
  });

  test("reset: the connection is reset without an answer", async () => {
    await using engine = startEngine();
    expect(await exchange(engine, request(whole, "reset"))).toEqual({ text: "", ending: "reset" });
  });

  test("garbage: the answer is not HTTP", async () => {
    await using engine = startEngine();
    const { text, ending } = await exchange(engine, request(whole, "garbage"));
    expect([text.includes("HTTP/1.1"), text.length > 0, ending]).toEqual([false, true, "fin"]);
  });

  test("hang: nothing is answered, for as long as the client stays", async () => {
    const clock = createManualClock();
    await using engine = startEngine({}, clock);
    using client = sendRaw(engine.port, request(whole, "hang"));
    await until(() => engine.state().received === 1);
    await clock.advance(1_000_000);
    expect([client.text(), engine.state().connections]).toEqual(["", 1]);
    client.socket.destroy();
    await until(() => engine.state().connections === 0);
  });

  const complete = async (engine: MockEngine, body: string): Promise<string> => {
    const plain = rawPost("/v1/completions", body, ["X-Request-Id: r", "Connection: close"]);
    return bodyOf((await exchange(engine, plain)).text);
  };

  test.each([
    ["reset-after", "reset"],
    ["truncate-after", "fin"],
  ] as const)("%s: a body of known length ends short of it", async (name, how) => {
    await using engine = startEngine();
    const full = await complete(engine, whole);
    for (const bytes of [0, 1, 100]) {
      const { text, ending } = await exchange(engine, request(whole, `${name}=${bytes}`));
      expect(text).toContain(`content-length: ${full.length}\r\n`);
      expect([bodyOf(text), ending]).toEqual([full.slice(0, bytes), how]);
    }
  });

  test.each([
    ["reset-after", "reset"],
    ["truncate-after", "fin"],
  ] as const)("%s: a chunked body ends without its last chunk", async (name, how) => {
    await using engine = startEngine();
    const events = eventsOf(await (await post(engine, "/v1/completions", JSON.parse(streamed))).text());
    expect(events).toHaveLength(4);
    for (const bytes of [10, 300, 500]) {
      const { text, ending } = await exchange(engine, request(streamed, `${name}=${bytes}`));
      const data = bodyOf(text)
        .replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, "")
        .replace(/\r\n$/, "");
      expect([data.length, ending]).toEqual([bytes, how]);
      expect(text).not.toContain("\r\n0\r\n");
    }
  });

  test("a body shorter than the cut still never ends as it should", async () => {
    await using engine = startEngine();
    const { text, ending } = await exchange(engine, request(streamed, "reset-after=1000000"));
    expect([text.includes("[DONE]"), text.includes("\r\n0\r\n"), ending]).toEqual([true, false, "reset"]);
  });

  test("a cut frees the engine", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    const long = JSON.stringify({ prompt: "hello", max_tokens: 1000, ignore_eos: true, stream: true });
    const cut = exchange(engine, request(long, "reset-after=400"));
    await until(() => engine.state().running === 1);
    await clock.advance(100);
    expect((await cut).ending).toBe("reset");
    expect(engine.state()).toMatchObject({ running: 0, aborted: 1, kvCacheUsage: 0 });
  });

  test("stall-after: the answer falls silent and the connection stays", async () => {
    const clock = createManualClock();
    await using engine = startEngine({}, clock);
    using client = sendRaw(engine.port, request(streamed, "stall-after=50"));
    await client.until(/data: .{44}/);
    await clock.advance(1_000_000);
    expect(client.text()).not.toContain("[DONE]");
    expect(engine.state().connections).toBe(1);
  });

  test.each([500, 503, 429, 404])("status=%d: that status with an error object", async (status) => {
    await using engine = startEngine();
    const headers = { "x-mock-fault": `status=${status}` };
    expect(await read(await post(engine, "/v1/completions", JSON.parse(whole), headers))).toEqual({
      status,
      body: { error: { message: expect.any(String), type: expect.any(String), param: null, code: status } },
    });
  });

  test("delay: the whole answer comes later", async () => {
    const clock = createManualClock();
    await using engine = startEngine({}, clock);
    using client = sendRaw(engine.port, request(streamed, "delay=2000"));
    await until(() => engine.state().finished === 1);
    await clock.advance(1999);
    expect(client.text()).toBe("");
    await clock.advance(1);
    await client.until(/200 OK.*\[DONE\]/s);
  });

  test("delay: a client that leaves leaves nothing behind", async () => {
    const clock = createManualClock();
    await using engine = startEngine({}, clock);
    const idleTimers = clock.pending();
    using client = sendRaw(engine.port, request(streamed, "delay=2000"));
    await until(() => engine.state().finished === 1);
    expect(clock.pending()).toBeGreaterThan(idleTimers);
    client.socket.destroy();
    await until(() => engine.state().connections === 0);
    expect(clock.pending()).toBe(idleTimers);
  });

  test("slow: every part comes so many times as late", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1, decodeMs: 10, decodeMsPerSeq: 0 }, clock);
    using client = sendRaw(engine.port, request(streamed, "slow=5"));
    await until(() => engine.state().running === 1);
    await clock.advance(0);
    // Each token comes 10 ms after the one before, or 50 ms of the client's time; the prompt takes 0.125 ms.
    await clock.advance(49);
    expect(engine.state().finished).toBe(1);
    await client.until(/"text"/);
    expect(client.text()).not.toMatch(/"text".*"text"/s);
    await clock.advance(3);
    await client.until(/"text".*"text"/s);
    expect(client.text()).not.toContain("[DONE]");
    await clock.advance(50);
    await client.until(/\[DONE\]/);
  });

  test.each([0, 1, 3])("error-event=%d: so many events, then an error in the 200 stream", async (count) => {
    await using engine = startEngine();
    const headers = { "x-mock-fault": `error-event=${count}` };
    const response = await post(engine, "/v1/completions", JSON.parse(streamed), headers);
    const events = eventsOf(await response.text()).map(({ data }) => data);
    expect([response.status, events.length]).toEqual([200, count + 2]);
    expect(events.slice(count)).toEqual([
      { error: expect.objectContaining({ type: "InternalServerError", code: 500 }) },
      "[DONE]",
    ]);
    await until(() => engine.state().running === 0);
  });

  test("error-event: the engine stops working on the answer", async () => {
    const clock = createManualClock();
    await using engine = startEngine({ timeScale: 1 }, clock);
    const long = JSON.stringify({ prompt: "hello", max_tokens: 1000, ignore_eos: true, stream: true });
    using client = sendRaw(engine.port, request(long, "error-event=2"));
    await until(() => engine.state().running === 1);
    await clock.advance(100);
    await client.until(/\[DONE\]/);
    expect(engine.state()).toMatchObject({ running: 0, aborted: 1 });
  });

  test("error-event: an answer that is no stream becomes a 500", async () => {
    await using engine = startEngine();
    const headers = { "x-mock-fault": "error-event=2" };
    expect((await post(engine, "/v1/completions", JSON.parse(whole), headers)).status).toBe(500);
  });

  test("that does not exist is refused with the list of those that do", async () => {
    await using engine = startEngine();
    for (const fault of ["explode", "delay", "delay=x", "slow=0.5", "status=20", "reset-after=-1", ""]) {
      const { status, body } = await read(
        await post(engine, "/v1/completions", JSON.parse(whole), { "x-mock-fault": fault }),
      );
      expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("truncate-after=BYTES")]);
      expect(() => parseFault(fault)).toThrow(RangeError);
    }
  });
});
