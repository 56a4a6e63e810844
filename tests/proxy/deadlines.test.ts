import { describe, expect, test } from "bun:test";
import { aborted } from "../../src/core/aborted.ts";
import type { EngineReach } from "../../src/core/engine-reach.ts";
import { settle } from "../support/clock.ts";
import { type Behaviour, bodyOf, events, IDLE, putOnWire, start, stream, whole } from "./started-forward.ts";

const silent: Behaviour = async () => Promise.withResolvers<Response>().promise;
const unanswered: EngineReach = async (_url, signal) => aborted(signal).then(() => false);
const stream1 = "data: 1\n\n";

/** An engine whose stream goes on when a test says so. */
const scripted = () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const engine: Behaviour = async (signal) => {
    void aborted(signal).then(async () => writer.abort(signal.reason));
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  };
  return { engine, write: (text: string) => void writer.write(Buffer.from(text)) };
};

type Given = Parameters<typeof start>[0];

/** Sends a request and says after how many milliseconds it has failed, and of what. */
const failureOf = async (given: Given, fields = {}, headers = {}, isReplaySafe = true) => {
  const started = start(given);
  const { clock, send } = started;
  const pending = send(isReplaySafe, fields, headers);
  for (await settle(); Bun.peek.status(pending) === "pending" && clock.monotonic() < 200_000; await settle())
    clock.advance(10);
  const ms = clock.monotonic();
  const isSettled = Bun.peek.status(pending) !== "pending";
  const answer = isSettled ? await pending : undefined;
  return { ...started, ms, answer };
};

describe("an engine that hangs while its host takes connections", () => {
  const reach: EngineReach = async () => true;
  /** The checks say after 7 s that these engines are down. */
  const checks = (clock: () => number, ...down: readonly string[]) => {
    const well = { engines: new Set<string>(), models: new Set<string>() };
    const unwell = { engines: new Set(down), models: new Set<string>() };
    return {
      get excluded() {
        return clock() < 7000 ? well : unwell;
      },
    };
  };
  const deadlines = { connectMs: 2000, firstChunkMs: 900_000 };
  const waitOn = async (engines: readonly Behaviour[], down: readonly string[], isReplaySafe = true) => {
    let now = (): number => 0;
    const health = checks(() => now(), ...down);
    const given = { engines, reach, deadlines, health, maxAttempts: 2 };
    const started = start(given);
    now = started.clock.monotonic;
    const pending = started.send(isReplaySafe, {}, {});
    for (await settle(); Bun.peek.status(pending) === "pending" && now() < 60_000; await settle())
      started.clock.advance(10);
    return { ms: now(), status: Bun.peek.status(pending), sent: started.sent };
  };

  test("loses what waits for its first byte to another one, soon after its checks say so", async () => {
    const { ms, status, sent } = await waitOn([silent, whole], ["e0"]);
    expect([status, sent]).toEqual(["fulfilled", ["e0", "e1"]]);
    expect(ms).toBeWithin(7000, 9100);
  });

  test.each<[string, readonly Behaviour[], readonly string[], boolean]>([
    ["nobody else is left", [silent, whole], ["e0", "e1"], true],
    ["another one is down", [silent, whole], ["e1"], true],
    ["it may not be sent again", [silent, whole], ["e0"], false],
  ])("keeps it where %s", async (_where, engines, down, isReplaySafe) => {
    const { ms, status, sent } = await waitOn(engines, down, isReplaySafe);
    expect([ms, status, sent]).toEqual([60_000, "pending", ["e0"]]);
  });
});

describe("an engine that does not answer", () => {
  test("has the time for a first chunk where no stream was asked for, that for a head where one was", async () => {
    const deadlines = { headMs: 5000, firstChunkMs: 30_000 };
    const plain = await failureOf({ engines: [silent], deadlines });
    expect([plain.answer, plain.ms]).toEqual([expect.objectContaining({ code: "upstream_timeout" }), 30_000]);
    const streamed = await failureOf({ engines: [silent], deadlines }, { stream: true });
    expect([streamed.answer, streamed.ms]).toEqual([
      expect.objectContaining({ code: "upstream_timeout" }),
      5000,
    ]);
    expect(streamed.load()).toEqual(IDLE);
    expect(streamed.clock.waiting()).toEqual([]);
  });

  test("and has sent a head has the time for a first chunk", async () => {
    const deadlines = { headMs: 5000, firstChunkMs: 30_000 };
    const { answer, ms } = await failureOf({ engines: [events([], "hangs")], deadlines }, { stream: true });
    expect([answer, ms]).toEqual([expect.objectContaining({ code: "upstream_timeout" }), 30_000]);
  });

  test("is replaced by another", async () => {
    const given = { engines: [silent, whole], maxAttempts: 2, deadlines: { firstChunkMs: 1000 } };
    const { answer, ms, sent } = await failureOf(given);
    expect([answer, ms, sent]).toEqual([expect.objectContaining({ status: 200 }), 1000, ["e0", "e1"]]);
  });

  test("has all the time there is where nothing is limited", async () => {
    const { answer, clock } = await failureOf({ engines: [silent] });
    expect(answer).toBeUndefined();
    expect(clock.waiting()).toEqual([]);
  });
});

describe("an engine whose host is silent", () => {
  const deadlines = { connectMs: 2000, firstChunkMs: 100_000 };

  test("is replaced when a fresh connection has gone unanswered, at no cost", async () => {
    const { answer, ms, sent } = await failureOf({
      engines: [silent, whole],
      maxAttempts: 2,
      deadlines,
      reach: unanswered,
    });
    expect([answer, ms, sent]).toEqual([expect.objectContaining({ status: 200 }), 4000, ["e0", "e1"]]);
  });

  test("keeps a request that cannot be sent again until a second one has gone unanswered", async () => {
    const given = { engines: [silent, whole], maxAttempts: 2, deadlines, reach: unanswered };
    const { answer, ms, sent } = await failureOf(given, {}, {}, false);
    expect(answer).toMatchObject({ code: "upstream_reset" });
    expect(ms).toBeGreaterThanOrEqual(6000);
    expect(ms).toBeLessThanOrEqual(6100);
    expect(sent).toEqual(["e0"]);
  });

  test.each([true, false])("but accepts or refuses (%p) is waited for: minutes may pass", async (accepts) => {
    const { answer, ms } = await failureOf({ engines: [silent], deadlines, reach: async () => accepts });
    expect([answer, ms]).toEqual([expect.objectContaining({ code: "upstream_timeout" }), 100_000]);
  });

  test("ends its streams, though not those on which something comes meanwhile", async () => {
    const { engine, write } = scripted();
    const { clock, send, lines } = start({
      engines: [engine],
      deadlines: { connectMs: 2000 },
      reach: unanswered,
    });
    const response = send();
    write(stream1);
    await using wire = await putOnWire(await response);
    await wire.client.until(/data: 1/);
    const wait = async (ms: number): Promise<void> => {
      for (let waited = 0; waited < ms; waited += 50) {
        clock.advance(50);
        await settle();
      }
    };
    await wait(7000);
    write("data: 2\n\n");
    await wire.client.until(/data: 2/);
    await wait(9900);
    expect(lines.join("")).not.toContain("broke off");
    await wait(400);
    const received = await wire.client.closed();
    expect(received).toContain('"code":"upstream_reset"');
    expect(lines.join("")).toContain("broke off while its answer streamed: The engine has not answered");
  });
});

describe("a stream", () => {
  test("that pauses for too long breaks off with its reason, and counts against its engine", async () => {
    const { engine, write } = scripted();
    const { clock, send, lines, load } = start({ engines: [engine], deadlines: { chunkIdleMs: 10_000 } });
    const response = send();
    write(stream1);
    await using wire = await putOnWire(await response);
    await wire.client.until(/data: 1/);
    for (let turn = 2; turn < 6; turn += 1) {
      clock.advance(9999);
      write(`data: ${turn}\n\n`);
      await wire.client.until(new RegExp(`data: ${turn}`));
    }
    clock.advance(10_000);
    await wire.client.until(/"error"/);
    clock.advance(50);
    const received = await wire.client.closed();
    expect(received).toContain('"code":"upstream_timeout"');
    expect(received).not.toEndWith("\r\n0\r\n\r\n");
    expect(lines.join("")).toContain("in the middle of its answer: failed");
    expect(load()).toEqual(IDLE);
    expect(clock.waiting()).toEqual([]);
  });
});

describe("a request", () => {
  test("has its time in all, whatever its engines do, and its client is told not to send it again", async () => {
    const given = { engines: [silent, silent], maxAttempts: 2 };
    const limited = { ...given, deadlines: { requestMs: 10_000, firstChunkMs: 8000 } };
    const { answer, ms, sent, lines } = await failureOf(limited);
    expect([answer, ms]).toEqual([
      expect.objectContaining({ code: "request_timeout", isPointless: true }),
      10_000,
    ]);
    expect(sent).toEqual(["e0", "e1"]);
    expect(lines.join("")).toContain("before its answer: client_closed");
  });

  test.each<[string, number, number, number]>([
    ["less", 10_000, 3000, 3000],
    ["no more", 10_000, 60_000, 10_000],
    ["less than there is without a limit", Number.POSITIVE_INFINITY, 3000, 3000],
  ])("may be given %s by its client", async (_how, requestMs, given, expected) => {
    const headers = { "x-request-timeout-ms": String(given) };
    const { answer, ms } = await failureOf({ engines: [silent], deadlines: { requestMs } }, {}, headers);
    expect([answer, ms]).toEqual([expect.objectContaining({ code: "request_timeout" }), expected]);
  });

  test.each(["0", "-1", "1.5", "soon", "", "1e3", "9".repeat(13)])(
    "given %p milliseconds is refused with what would be right",
    async (text) => {
      const { send, sent } = start({ engines: [whole] });
      const answer: unknown = await send(true, {}, { "x-request-timeout-ms": text }).catch(
        (error: unknown) => error,
      );
      expect(answer).toMatchObject({
        code: "invalid_request",
        message: "Invalid request: x-request-timeout-ms must be a whole number of milliseconds above 0.",
      });
      expect(sent).toEqual([]);
    },
  );

  test("is cut when its time is up in the middle of its stream, which is not its engine's fault", async () => {
    const { clock, send, lines, load } = start({
      engines: [events([stream1], "hangs")],
      deadlines: { requestMs: 10_000 },
    });
    await using wire = await putOnWire(await send());
    await wire.client.until(/data: 1/);
    clock.advance(10_000);
    await wire.client.until(/"code":"request_timeout"/);
    clock.advance(50);
    expect(await wire.client.closed()).not.toEndWith("\r\n0\r\n\r\n");
    expect(lines.join("")).toContain("was cut while its answer streamed: The request took longer");
    expect(lines.join("")).toContain("in the middle of its answer: client_closed");
    expect(load()).toEqual(IDLE);
  });

  test("that is answered in time leaves no timer behind", async () => {
    const deadlines = { connectMs: 2000, headMs: 3000, firstChunkMs: 3000, requestMs: 9000 };
    const { clock, send } = start({ engines: [whole], deadlines });
    await send();
    clock.advance(2000);
    expect(clock.waiting()).toEqual([]);
  });
});

test("a client that takes nothing is left after its time, and its engine freed", async () => {
  const chunk = "x".repeat(1 << 20);
  let isFreed = false;
  const flooding: Behaviour = async (signal) => {
    void aborted(signal).then(() => {
      isFreed = true;
    });
    return new Response(
      stream(
        Array.from({ length: 64 }, () => chunk),
        "hangs",
        signal,
      ),
    );
  };
  const { clock, send, lines, load } = start({ engines: [flooding], deadlines: { clientStallMs: 60_000 } });
  await using wire = await putOnWire(await send());
  await wire.client.until(/HTTP\/1.1 200/);
  wire.client.socket.pause();
  while (clock.waiting().length === 0) await Bun.sleep(1);
  expect(clock.waiting()).toHaveLength(1);
  clock.advance(59_900);
  await settle();
  expect(isFreed).toBe(false);
  clock.advance(200);
  await settle();
  expect(isFreed).toBe(true);
  expect(lines.join("")).toContain("was cut while its answer streamed: The client took nothing");
  expect(load()).toEqual(IDLE);
  wire.client.socket.resume();
  await wire.client.closed();
});

test("the body of an answer that was cut for its client cannot be read on", async () => {
  const { send, leaving } = start({ engines: [events([stream1], "hangs")] });
  const reader = bodyOf(await send()).getReader();
  await reader.read();
  leaving.abort();
  expect(await reader.read().catch((error: unknown) => error)).toBeDefined();
});
