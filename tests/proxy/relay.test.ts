import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RouterError } from "../../src/core/errors.ts";
import { systemClock } from "../../src/platform.ts";
import { bodyOf } from "../../src/proxy/fetch-send.ts";
import { relay, type RelayEnd } from "../../src/proxy/relay.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { sendRaw } from "../support/raw-client.ts";
import { createEngineBody } from "./engine-body.ts";
import { takeFrom } from "./taking-client.ts";

const FAILURE = "data: failure\n\n";
const lost = new Error("engine lost");

interface Given {
  readonly first?: string;
  readonly failureEvent?: string | undefined;
  readonly cancel?: () => Promise<void>;
}

/** A relay with everything around it in the test's hands. */
const start = ({ first, failureEvent = FAILURE, cancel }: Given = {}) => {
  const clock = createTestClock();
  const engine = createEngineBody(cancel);
  const client = new AbortController();
  const ends: [RelayEnd, unknown][] = [];
  const told: string[] = [];
  const body = relay(first === undefined ? undefined : new Uint8Array(Buffer.from(first)), engine.body, {
    failureEvent:
      failureEvent === ""
        ? undefined
        : (reason) => Buffer.from(reason ? `data: ${reason.code}\n\n` : failureEvent),
    signal: client.signal,
    clock,
    onChunk: (chunk) => told.push(Buffer.from(chunk).toString()),
    onEnd: (end, cause) => ends.push([end, cause]),
  });
  return { clock, engine, client, ends, told, ...takeFrom(body) };
};

describe("a relayed body", () => {
  test("is what was read already, then what the engine sends, chunk by chunk, and ends as it ends", async () => {
    const { engine, ends, told, read } = start({ first: "1" });
    engine.send("2");
    engine.send("3");
    engine.finish();
    expect([await read(), await read(), await read()]).toEqual(["1", "2", "3"]);
    expect(ends).toEqual([]);
    expect(await read()).toBe("(end)");
    expect(ends).toEqual([["done", undefined]]);
    // What was read already is known to who read it.
    expect(told).toEqual(["2", "3"]);
  });

  test("is asked of the engine only as the client takes what came before", async () => {
    const { engine, read } = start({ first: "1" });
    for (const chunk of ["2", "3", "4"]) engine.send(chunk);
    for (const taken of [0, 1, 2]) {
      await settle();
      expect(engine.reads()).toBe(taken);
      await read();
    }
  });

  test("that the client cancels cancels the engine's", async () => {
    const { engine, ends, cancel } = start({ first: "1" });
    cancel();
    expect(engine.isCancelled()).toBe(true);
    expect(ends).toEqual([["client_closed", undefined]]);
  });

  test("that the client cancels while a chunk is awaited ends once, and the chunk is nobody's", async () => {
    const { engine, ends, read, cancel } = start();
    const pending = read();
    await settle();
    cancel();
    engine.send("late");
    expect(await pending).toBe("(end)");
    await settle();
    expect(ends).toEqual([["client_closed", undefined]]);
  });

  test("may be cancelled although the engine's reader was aborted and rejects that", async () => {
    const { ends, cancel } = start({ cancel: async () => Promise.reject(new Error("aborted")) });
    cancel();
    await settle();
    expect(ends).toHaveLength(1);
  });
});

test("a body that the router itself ends says why before it is cut, and that it was not the engine", async () => {
  const { clock, engine, ends, client, read } = start({ first: "1" });
  await read();
  const reason = new RouterError("router_shutdown", "The router ends.");
  client.abort(reason);
  engine.fail(new Error("the fetch was aborted"));
  expect(await read()).toBe("data: router_shutdown\n\n");
  expect(ends).toEqual([["client_closed", reason]]);
  await settle();
  clock.advance(50);
  expect(await read()).toBeInstanceOf(Error);
  expect(ends).toHaveLength(1);
});

describe("an engine that fails", () => {
  test("shows as the failure event and, when that had time to leave, as a broken body: never as its end", async () => {
    const { clock, engine, ends, read } = start({ first: "1" });
    await read();
    engine.fail(lost);
    expect(await read()).toBe(FAILURE);
    expect(ends).toEqual([["failed", lost]]);
    let isSettled = false;
    const next = read().finally(() => {
      isSettled = true;
    });
    clock.advance(49);
    await settle();
    expect(isSettled).toBe(false);
    clock.advance(1);
    expect(await next).toBe(lost);
    expect(ends).toHaveLength(1);
  });

  test("breaks a body that is no event stream without a word", async () => {
    const { clock, engine, ends, read } = start({ failureEvent: "" });
    engine.fail(lost);
    await settle();
    clock.advance(50);
    expect(await read()).toBe(lost);
    expect(ends).toEqual([["failed", lost]]);
  });

  test("because its client left is not a failure", async () => {
    const { engine, ends, client, read } = start();
    const pending = read();
    await settle();
    client.abort(lost);
    engine.fail(lost);
    expect(await pending).toBe(lost);
    expect(ends).toEqual([["client_closed", expect.objectContaining({ code: "client_closed" })]]);
  });

  test("while the failure event leaves, the client may leave too", async () => {
    const { clock, engine, ends, read, cancel } = start();
    engine.fail(lost);
    expect(await read()).toBe(FAILURE);
    cancel();
    clock.advance(50);
    await settle();
    expect(ends).toEqual([["failed", lost]]);
  });
});

test("a stream that is closed already by the time it is broken off rejects to who pulls, and to nobody else", async () => {
  const clock = createTestClock();
  const engine = createEngineBody();
  const closed = new Error("closed already");
  const source = relay(undefined, engine.body, {
    failureEvent: undefined,
    signal: new AbortController().signal,
    clock,
    onChunk: () => {},
    onEnd: () => {},
  });
  const pulled = source.pull({
    write: () => 0,
    flush: () => 0,
    start: () => {},
    end: () => 0,
    close: () => {
      throw closed;
    },
  });
  engine.fail(lost);
  await settle();
  clock.advance(50);
  expect(await Promise.resolve(pulled).catch((error: unknown) => error)).toBe(closed);
});

describe("whatever the order of things", () => {
  const step = fc.tuple(
    fc.constantFrom("send", "finish", "fail", "read", "read", "cancel", "leave", "wait"),
    fc.boolean(),
  );

  test("a body ends exactly once, in order, and no rejection is left to nobody", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.boolean(),
        fc.boolean(),
        async (steps, hasFirst, rejects) => {
          const cancel = async () => (rejects ? Promise.reject(new Error("cancel")) : undefined);
          const { clock, engine, client, ends, read, ...server } = start({
            ...(hasFirst ? { first: "0;" } : {}),
            cancel,
          });
          const received: string[] = [];
          let sent = hasFirst ? "0;" : "";
          let readsByClient = 0;

          for (const [index, [action, isSettled]] of steps.entries()) {
            if (action === "send") {
              sent += `${index + 1};`;
              engine.send(`${index + 1};`);
            } else if (action === "finish") engine.finish();
            else if (action === "fail") engine.fail(lost);
            else if (action === "read") {
              readsByClient += 1;
              void read().then((value) => received.push(typeof value === "string" ? value : "(broken)"));
            } else if (action === "cancel") server.cancel();
            else if (action === "wait") clock.advance(50);
            else {
              // The runtime aborts the fetch and with it the engine's reader.
              client.abort(lost);
              engine.fail(lost);
            }
            if (isSettled) await settle();
            expect(ends.length).toBeLessThanOrEqual(1);
            expect(engine.reads()).toBeLessThanOrEqual(readsByClient + 1);
          }
          // The server cancels the body of every answer whose client has gone.
          server.cancel();
          clock.advance(50);
          await settle();

          expect(ends).toHaveLength(1);
          const end = ends[0]?.[0];
          const text = received.filter((chunk) => !chunk.startsWith("(")).join("");
          expect(sent.startsWith(text.replace(FAILURE, ""))).toBe(true);
          if (text.includes(FAILURE)) expect([text.endsWith(FAILURE), end]).toEqual([true, "failed"]);
          if (received.includes("(broken)")) expect(end).not.toBe("done");
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("on a server, the end of a body whose client leaves is told once", () => {
  const departures = ["destroy", "resetAndDestroy", "end"] as const;
  const moments = [
    "before the answer is handed over",
    "while a chunk is awaited",
    "without reading",
  ] as const;
  const cases = moments.flatMap((moment) => departures.map((departure) => [moment, departure] as const));

  test.each(cases)("%s, by %s", async (moment, departure) => {
    const ends: RelayEnd[] = [];
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: came, resolve: arrive } = Promise.withResolvers<void>();
    await using engine = { ...createEngineBody(), [Symbol.asyncDispose]: async () => {} };
    const chunk = new Uint8Array(256 * 1024);
    const stalling = bodyOf({
      read: async () => ({ done: false, value: chunk }),
      cancel: async () => {},
    });
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      fetch: async ({ signal }) => {
        arrive();
        if (moment === "before the answer is handed over") {
          const { promise: left, resolve } = Promise.withResolvers<void>();
          signal.addEventListener("abort", () => resolve());
          await left;
        }
        return new Response(
          new ReadableStream(
            relay(Buffer.from("head"), moment === "without reading" ? stalling : engine.body, {
              failureEvent: undefined,
              signal,
              clock: systemClock,
              onChunk: () => {},
              onEnd: (how) => {
                ends.push(how);
                end();
              },
            }),
          ),
        );
      },
    });
    using client = sendRaw(server.port ?? 0, "GET / HTTP/1.1\r\nHost: router\r\n\r\n");
    await came;
    if (moment === "without reading") client.socket.pause();
    else if (moment === "while a chunk is awaited") await client.until(/head/);
    client.socket[departure]();
    await ended;
    await server.stop(true);
    expect(ends).toEqual(["client_closed"]);
  });
});
