import { describe, expect, test } from "bun:test";
import { startFaultProxy } from "./fault-proxy.ts";
import { sendRaw } from "./raw-client.ts";
import { rawAnswer, startRawEngine } from "./raw-engine.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER = rawAnswer("0123456789").toString();

const start = async () => {
  const engine = await startRawEngine((socket) => socket.write(ANSWER));
  const line = await startFaultProxy(engine.port);
  return {
    engine,
    line,
    [Symbol.asyncDispose]: async () => {
      await line[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
};

/** What comes before the connection ends, and whether it was reset. */
const receive = async (port: number) => {
  using client = sendRaw(port, REQUEST);
  let wasReset = false;
  client.socket.on("error", (error: Error & { readonly code?: string }) => {
    wasReset = error.code === "ECONNRESET";
  });
  const text = await client.closed();
  return { text, wasReset };
};

describe("a line", () => {
  test("that nothing disturbs passes every byte both ways", async () => {
    await using given = await start();
    using client = sendRaw(given.line.port, REQUEST + REQUEST);
    expect(await client.until(/89[^]*89$/)).toBe(ANSWER + ANSWER);
    expect([given.engine.requests.length, given.line.connections()]).toEqual([2, 1]);
  });

  test.each([0, 1, 20, ANSWER.length])("that is closed after %p bytes passes those", async (after) => {
    await using given = await start();
    await given.line.disturb({ kind: "fin", after });
    expect(await receive(given.line.port)).toEqual({ text: ANSWER.slice(0, after), wasReset: false });
  });

  test("that is reset after some bytes is that", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "rst", after: 20 });
    const { text, wasReset } = await receive(given.line.port);
    expect(ANSWER.slice(0, 20)).toStartWith(text);
    expect(wasReset).toBe(true);
  });

  test("that falls silent passes some bytes and stays", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "silence", after: 20 });
    using client = sendRaw(given.line.port, REQUEST);
    expect(await client.until(/^[^]{20}/)).toBe(ANSWER.slice(0, 20));
    expect(client.socket.readable).toBe(true);
  });

  test("that hangs takes a connection, and nothing comes to the engine", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "hang" });
    using client = sendRaw(given.line.port, REQUEST);
    while (given.line.connections() === 0) await Bun.sleep(1);
    expect([client.text(), given.engine.connections()]).toEqual(["", 0]);
  });

  test("that carries garbage ends with it", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "garbage", after: 20 });
    const { text } = await receive(given.line.port);
    expect(text).toBe(`${ANSWER.slice(0, 20)}\0\xff\x01 no HTTP \r\n\r\n`);
  });

  test("of which one half is closed still takes what the client sends", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "half-close", after: 20 });
    using client = sendRaw(given.line.port, REQUEST);
    client.socket.allowHalfOpen = true;
    await client.until(/^[^]{20}/);
    client.socket.write(REQUEST);
    await given.engine.received(2);
    expect(client.text()).toBe(ANSWER.slice(0, 20));
  });

  test("that is late passes everything after its time", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "delay", ms: 50 });
    const begin = performance.now();
    using client = sendRaw(given.line.port, REQUEST);
    expect(await client.until(/89$/)).toBe(ANSWER);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(49);
  });

  test("that trickles passes a few bytes at a time", async () => {
    await using given = await start();
    await given.line.disturb({ kind: "trickle", bytes: 7, everyMs: 1 });
    using client = sendRaw(given.line.port, REQUEST);
    const sizes: number[] = [];
    client.socket.on("data", (data) => sizes.push(data.length));
    expect(await client.until(/89$/)).toBe(ANSWER);
    expect(sizes.length).toBeGreaterThan(3);
  });

  test("that refuses ends what is connected, and is there again under the same port", async () => {
    await using given = await start();
    using before = sendRaw(given.line.port, REQUEST);
    await before.until(/89$/);
    await given.line.disturb({ kind: "refuse" });
    await before.closed();
    const refused = await fetch(given.line.url).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "ECONNREFUSED" });
    await given.line.disturb(undefined);
    using after = sendRaw(given.line.port, REQUEST);
    expect(await after.until(/89$/)).toBe(ANSWER);
  });
});
