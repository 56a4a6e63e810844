import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import type { Answer } from "../../src/core/answer.ts";
import { dial } from "../../src/dial.ts";
import type { EngineSend, SentRequest } from "../../src/core/engine-send.ts";
import type { EngineFetch } from "../../src/core/engine-fetch.ts";
import { type ErrorCode, RouterError } from "../../src/core/errors.ts";
import { engineFetch } from "../../src/platform.ts";
import { createEngineSend } from "../../src/proxy/engine-send.ts";
import { createFetchSend } from "../../src/proxy/fetch-send.ts";
import { exchange, upstreamError } from "../../src/proxy/upstream.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";

const requestWith = (signal: AbortSignal = new AbortController().signal): SentRequest => ({
  method: "POST",
  headers: {},
  body: new Uint8Array(Buffer.from("{}")),
  signal,
});

/** Both ways in which engines are asked. */
const clients: [string, EngineSend][] = [
  ["over a connection of its own", createEngineSend({ dial, fetch: engineFetch })],
  ["by fetch", createFetchSend(engineFetch)],
];

type Send = (url: string, mayReconnect?: boolean, signal?: AbortSignal) => Promise<Answer>;

const sending =
  (client: EngineSend): Send =>
  async (url, mayReconnect = false, signal) =>
    exchange(client, `${url}/v1/completions`, requestWith(signal), { mayReconnect });

const failure = async (answer: Promise<Answer>): Promise<RouterError> => {
  const error: unknown = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RouterError) return error;
  throw new Error("expected a RouterError", { cause: error });
};

/** The whole body of an answer, however it came. */
const bodyOf = async ({ first, rest }: Answer): Promise<string> => {
  const chunks: Uint8Array[] = first ? [first] : [];
  for (let read = await rest?.read(); read && !read.done; read = await rest?.read()) chunks.push(read.value);
  return Buffer.concat(chunks).toString("latin1");
};

describe.each(clients)("an engine that answers badly, %s", (_way, client) => {
  const send = sending(client);
  const rows: [string, (socket: Socket) => void, ErrorCode][] = [
    ["resets", (socket) => socket.resetAndDestroy(), "upstream_reset"],
    ["closes without a byte", (socket) => socket.end(), "upstream_reset"],
    ["cuts its head", (socket) => socket.end("HTTP/1.1 200 O"), "upstream_reset"],
    [
      "cuts a body of known length",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
      "upstream_reset",
    ],
    ["sends the head of a stream and closes", (socket) => socket.end(STREAM_HEAD), "upstream_reset"],
    ["sends a bad chunk size", (socket) => socket.write(`${STREAM_HEAD}zz\r\nabc`), "upstream_invalid"],
    ["speaks another protocol", (socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"), "upstream_invalid"],
    [
      "has a NUL in its head",
      (socket) => socket.write("HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n"),
      "upstream_invalid",
    ],
    [
      "gives two lengths",
      (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
      "upstream_invalid",
    ],
    [
      "switches protocols unasked",
      (socket) =>
        socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      "upstream_invalid",
    ],
    [
      "sends header lines without end",
      (socket) => socket.write(`HTTP/1.1 200 OK\r\n${`a: ${"x".repeat(1000)}\r\n`.repeat(3000)}\r\n`),
      "upstream_invalid",
    ],
    ["answers with status 999", (socket) => socket.write(rawAnswer("{}", {}, "999 Odd")), "upstream_invalid"],
    [
      "redirects",
      (socket) => socket.write(rawAnswer("", { location: "http://127.0.0.1:1/" }, "302 Found")),
      "upstream_invalid",
    ],
    [
      "answers that nothing was modified",
      (socket) => socket.write("HTTP/1.1 304 Not Modified\r\n\r\n"),
      "upstream_invalid",
    ],
  ];
  test.each(rows)("%s", async (_what, answer, code) => {
    await using engine = await startRawEngine((socket) => answer(socket));
    const error = await failure(send(engine.url));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(String(engine.port));
  });
});

describe.each(clients)("an engine that answers oddly, %s", (_way, client) => {
  const send = sending(client);
  const rows: [string, (socket: Socket) => void, number, string][] = [
    [
      "with length and chunks: the chunks count",
      (socket) =>
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${rawChunk("ab")}0\r\n\r\n`,
        ),
      200,
      "ab",
    ],
    ["with bare line feeds", (socket) => socket.write("HTTP/1.1 200 OK\ncontent-length: 2\n\nab"), 200, "ab"],
    [
      "with early hints before",
      (socket) =>
        socket.write(
          "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
        ),
      200,
      "ab",
    ],
    [
      "with a body that ends with the connection",
      (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nab"),
      200,
      "ab",
    ],
    [
      "with a body where there can be none",
      (socket) => socket.write("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nab"),
      204,
      "",
    ],
    ["with an empty body", (socket) => socket.write(rawAnswer("")), 200, ""],
    [
      "with an error in chunks",
      (socket) =>
        socket.write(
          `HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n${rawChunk("ab")}${rawChunk("cd")}0\r\n\r\n`,
        ),
      503,
      "abcd",
    ],
    [
      "with a stream whose first event is an error",
      (socket) => socket.write(STREAM_HEAD + rawChunk('data: {"error":{"code":503}}\n\n')),
      503,
      '{"error":{"code":503}}',
    ],
    [
      "with surplus bytes",
      (socket) => socket.write(Buffer.concat([rawAnswer("ab"), rawAnswer("forged")])),
      200,
      "ab",
    ],
    [
      "with an error of its own",
      (socket) => socket.write(rawAnswer('{"error":1}', {}, "500 Oops")),
      500,
      '{"error":1}',
    ],
  ];
  test.each(rows)("%s", async (_what, answer, status, body) => {
    await using engine = await startRawEngine((socket) => answer(socket));
    for (let turn = 0; turn < 2; turn += 1) {
      const received = await send(engine.url);
      expect([received.status, await bodyOf(received)]).toEqual([status, body]);
    }
  });
});

describe.each(clients)("an engine that cannot be reached, %s", (_way, client) => {
  const send = sending(client);
  test("because its port is closed", async () => {
    const engine = await startRawEngine(() => {});
    await engine[Symbol.asyncDispose]();
    expect((await failure(send(engine.url))).code).toBe("upstream_unreachable");
  });

  test("because its name is unknown", async () => {
    expect((await failure(send("http://engine.invalid"))).code).toBe("upstream_unreachable");
  });
});

describe.each(clients)("a client that leaves, %s", (_way, by) => {
  const send = sending(by);
  const silences: [string, string][] = [
    ["before the head", ""],
    ["after the head, before the first chunk", STREAM_HEAD],
    ["in a short body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"],
  ];
  test.each(silences)("%s is told apart from a failing engine", async (_when, sent) => {
    await using engine = await startRawEngine((socket) => socket.write(sent));
    const client = new AbortController();
    const error = failure(send(engine.url, true, client.signal));
    await engine.received(1);
    client.abort(new Error("left"));
    expect((await error).code).toBe("client_closed");
    await engine.closed();
    expect(engine.connections()).toBe(1);
  });
});

test("what the runtime names by itself is mapped by its code, and nothing else is taken for a lost connection", () => {
  const { signal } = new AbortController();
  const codeOf = (error: unknown): string => upstreamError(error, signal).code;
  const withCode = (code: string): Error => Object.assign(new TypeError("x"), { code });
  for (const code of ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"])
    expect(codeOf(withCode(code))).toBe("upstream_unreachable");
  for (const code of ["ECONNRESET", "EPIPE"]) expect(codeOf(withCode(code))).toBe("upstream_reset");
  for (const error of [withCode("InvalidHTTPResponse"), new TypeError("x"), "bare text", undefined])
    expect(codeOf(error)).toBe("upstream_invalid");
  const known = new RouterError("no_endpoint", "x");
  expect(upstreamError(known, signal)).toBe(known);
  expect(upstreamError(withCode("ECONNRESET"), AbortSignal.abort(new Error("left"))).code).toBe(
    "client_closed",
  );
});

describe.each(clients)("a body, %s", (_way, client) => {
  const send = sending(client);
  test("of a known length up to 256 KiB is taken whole, a longer one chunk by chunk", async () => {
    await using engine = await startRawEngine((socket, { onConnection }) =>
      socket.write(rawAnswer("x".repeat(onConnection === 1 ? 256 * 1024 : 4 * 1024 * 1024))),
    );
    const whole = await send(engine.url);
    expect([whole.first?.length, whole.rest]).toEqual([256 * 1024, undefined]);
    const chunked = await send(engine.url);
    expect(chunked.rest).toBeDefined();
    expect((await bodyOf(chunked)).length).toBe(4 * 1024 * 1024);
  });

  test("of an event stream is never waited for, even where its length is known", async () => {
    await using engine = await startRawEngine((socket) =>
      socket.write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\ndata: 1\n\n",
      ),
    );
    const { first, rest } = await send(engine.url);
    expect(Buffer.from(first ?? []).toString()).toBe("data: 1\n\n");
    rest?.cancel();
  });
});

describe("a connection that is lost before the answer", () => {
  /** Loses every pooled connection; notes which were. */
  const losing =
    (fetches: boolean[]): EngineFetch =>
    async (_url, { fresh }) => {
      fetches.push(fresh === true);
      if (fresh === true) return new Response("late");
      throw Object.assign(new TypeError("x"), { code: "ECONNRESET" });
    };

  test("is made anew once, where sending twice is harmless", async () => {
    const fetches: boolean[] = [];
    const answer = await exchange(createFetchSend(losing(fetches)), "http://e", requestWith(), {
      mayReconnect: true,
    });
    expect(await bodyOf(answer)).toBe("late");
    expect(fetches).toEqual([false, true]);
  });

  test("is not made anew where it is not", async () => {
    const fetches: boolean[] = [];
    expect(
      (
        await failure(
          exchange(createFetchSend(losing(fetches)), "http://e", requestWith(), { mayReconnect: false }),
        )
      ).code,
    ).toBe("upstream_reset");
    expect(fetches).toEqual([false]);
  });

  test("and lost again is the engine's failure", async () => {
    await using engine = await startRawEngine((socket) => socket.destroy());
    const send = sending(createFetchSend(engineFetch));
    expect((await failure(send(engine.url, true))).code).toBe("upstream_reset");
    expect(engine.connections()).toBe(2);
  });

  test("because the engine refuses it is not made anew", async () => {
    let fetches = 0;
    const refusing: EngineFetch = async () => {
      fetches += 1;
      throw Object.assign(new TypeError("x"), { code: "ECONNREFUSED" });
    };
    expect(
      (await failure(exchange(createFetchSend(refusing), "http://e", requestWith(), { mayReconnect: true })))
        .code,
    ).toBe("upstream_unreachable");
    expect(fetches).toBe(1);
  });
});
