import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { runClosedLoop } from "../../../scripts/bench/closed-loop.ts";
import { connectLoad, type Exchange } from "../../../scripts/bench/load-connection.ts";
import { systemClock } from "../../../src/platform.ts";
import { settle } from "../../support/clock.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../../support/raw-engine.ts";

const request = Buffer.from("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}");

const exchangeOn = async (port: number, bodyBytes: number): Promise<Exchange> => {
  const connection = await connectLoad(port, bodyBytes);
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  connection.send(request, resolve);
  const exchange = await promise;
  connection.close();
  return exchange;
};

describe("a connection of the load generator", () => {
  test("takes an answer of the right length as good, and one of another length or status as not", async () => {
    await using engine = await startRawEngine((socket, { onConnection }) => {
      socket.write(onConnection === 1 ? rawAnswer("four") : rawAnswer("four", {}, "500 Oops"));
    });
    const connection = await connectLoad(engine.port, 4);
    const next = async (): Promise<Exchange> => {
      const { promise, resolve } = Promise.withResolvers<Exchange>();
      connection.send(request, resolve);
      return promise;
    };
    expect(await next()).toMatchObject({ isGood: true, reads: 1 });
    expect(await next()).toMatchObject({ isGood: false });
    expect(engine.connections()).toBe(1);
    expect(await exchangeOn(engine.port, 5)).toMatchObject({ isGood: false });
    connection.close();
  });

  test("tells the first byte from the last", async () => {
    let releasedAt = Number.NaN;
    const answer = async (socket: Socket): Promise<void> => {
      socket.write(STREAM_HEAD + rawChunk("one"));
      for (let turn = 0; turn < 5; turn += 1) await settle();
      releasedAt = performance.now();
      socket.write(`${rawChunk("two")}0\r\n\r\n`);
    };
    await using engine = await startRawEngine((socket) => void answer(socket));
    const { isGood, firstAt, endAt, reads } = await exchangeOn(engine.port, 6);
    expect({ isGood, reads }).toEqual({ isGood: true, reads: 2 });
    expect(firstAt).toBeLessThan(releasedAt);
    expect(endAt).toBeGreaterThanOrEqual(releasedAt);
  });

  test.each([
    ["is cut", STREAM_HEAD + rawChunk("one")],
    ["is not HTTP", "hello\r\n"],
    ["has surplus bytes", `${rawAnswer("one").toString()}surplus`],
  ])("is broken by an answer that %s", async (_what, bytes) => {
    await using engine = await startRawEngine((socket) => socket.end(bytes));
    const connection = await connectLoad(engine.port, 3);
    const { promise, resolve } = Promise.withResolvers<Exchange>();
    connection.send(request, resolve);
    expect((await promise).isGood).toBe(false);
    expect(connection.isOpen()).toBe(false);

    const { promise: afterwards, resolve: fail } = Promise.withResolvers<Exchange>();
    connection.send(request, fail);
    expect((await afterwards).isGood).toBe(false);
  });
});

describe("the closed loop", () => {
  test("sends one request at a time on each connection and counts right and wrong answers", async () => {
    let answers = 0;
    await using engine = await startRawEngine((socket) => {
      answers += 1;
      socket.write(rawAnswer(answers === 1 ? "wrong" : "ok"));
    });
    const { requests, errors, seconds } = await runClosedLoop(
      { seconds: 0.05, connections: 3, requests: [request] },
      { connect: async () => connectLoad(engine.port, 2), clock: systemClock },
    );
    expect(errors).toBe(1);
    expect(requests).toBe(engine.requests.length - 1);
    expect(requests).toBeGreaterThan(0);
    expect(engine.connections()).toBe(3);
    expect(seconds).toBeGreaterThanOrEqual(0.05);
  });
});
