import { describe, expect, test } from "bun:test";
import type { Answer } from "../../src/core/answer.ts";
import type { Dial } from "../../src/core/dial.ts";
import type { SentRequest } from "../../src/core/engine-send.ts";
import { dial } from "../../src/dial.ts";
import { createHttp1Client } from "../../src/http1/client.ts";
import { settle } from "../support/clock.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";

const request = (changes: Partial<SentRequest> = {}): SentRequest => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: new Uint8Array(Buffer.from("{}")),
  signal: new AbortController().signal,
  ...changes,
});

const codeOf = async (answer: Promise<Answer>): Promise<unknown> =>
  answer.then(
    () => undefined,
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );

const textOf = async ({ first, rest }: Answer): Promise<string> => {
  const pieces = first ? [first] : [];
  for (let read = await rest?.read(); read && !read.done; read = await rest?.read()) pieces.push(read.value);
  return Buffer.concat(pieces).toString("latin1");
};

const start = () => createHttp1Client({ dial });

describe("a request", () => {
  test("goes out byte by byte as it is meant", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    const send = start();
    await send(`${engine.url}/v1/x?a=%20b&c=d`, request({ headers: { "x-a": "\u00e9", "x-b": "" } }));
    expect(engine.requests[0]?.head.split("\r\n")).toEqual([
      "POST /v1/x?a=%20b&c=d HTTP/1.1",
      `Host: 127.0.0.1:${engine.port}`,
      "Content-Length: 2",
      "x-a: \u00e9",
      "x-b: ",
    ]);
    expect(engine.requests[0]?.body.toString()).toBe("{}");
  });

  test("without a body has no length but where one would be expected", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    const send = start();
    await send(`${engine.url}/`, request({ method: "GET", body: undefined, headers: {} }));
    await send(`${engine.url}/`, request({ body: undefined, headers: {} }));
    expect(engine.requests.map(({ head }) => /Content-Length: \d+/.exec(head)?.[0])).toEqual([
      undefined,
      "Content-Length: 0",
    ]);
  });

  test.each([
    ["/a/./b/../c", "/a/c"],
    ["/a b", "/a%20b"],
    ["/\u00e9", "/%C3%A9"],
    ["/a#fragment", "/a"],
    ["/a\r\nx: y", "/ax:%20y"],
  ])("to %j asks for %j", async (given, target) => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    await start()(engine.url + given, request());
    expect(engine.requests[0]?.head.split(" ")[1]).toBe(target);
    expect(engine.requests[0]?.head).not.toMatch(/^x:/m);
  });

  test.each(["a\r\nx-forged: 1", "a\nb", "a\0", "\u20ac"])("with a field %j is not sent", async (value) => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    expect(() => void start()(`${engine.url}/`, request({ headers: { "x-a": value } }))).toThrow("x-a");
    expect(engine.connections()).toBe(0);
  });

  test("of many megabytes arrives whole at an engine that reads slowly", async () => {
    const body = new Uint8Array(20 * 1024 * 1024).map((_, index) => index % 251);
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    const send = start();
    for (const length of [64 * 1024, 64 * 1024 - 200, body.length, 10]) {
      expect(await textOf(await send(`${engine.url}/`, request({ body: body.subarray(0, length) })))).toBe(
        "ok",
      );
      expect(engine.requests.at(-1)?.body.equals(body.subarray(0, length))).toBe(true);
    }
    expect(engine.connections()).toBe(1);
  });

  test("is answered before all of it was sent, and its connection is not used again", async () => {
    await using server = await startRawEngine(() => {});
    void server;
    const { promise: port, resolve } = Promise.withResolvers<number>();
    let connections = 0;
    using early = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          connections += 1;
          socket.pause();
          socket.write(rawAnswer("too large", {}, "413 Content Too Large"));
        },
        data: () => {},
      },
    });
    resolve(early.port);
    const send = start();
    const url = `http://127.0.0.1:${await port}/`;
    const body = new Uint8Array(50 * 1024 * 1024);
    for (let turn = 0; turn < 2; turn += 1) expect((await send(url, request({ body }))).status).toBe(413);
    expect(connections).toBe(2);
  });
});

describe("a connection", () => {
  test("carries one request after the other, and the one used last is used first", async () => {
    await using engine = await startRawEngine((socket, { onConnection }) =>
      socket.write(rawAnswer(String(onConnection))),
    );
    const send = start();
    const url = `${engine.url}/`;
    await Promise.all([send(url, request()), send(url, request()), send(url, request())]);
    expect(engine.connections()).toBe(3);
    for (const turn of ["2", "3", "4"]) expect(await textOf(await send(url, request()))).toBe(turn);
    expect(engine.connections()).toBe(3);
  });

  test("is a new one where that is asked for", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    const send = start();
    for (let turn = 0; turn < 3; turn += 1) await send(`${engine.url}/`, request({ fresh: true }));
    expect(engine.connections()).toBe(3);
  });

  const last: [string, string][] = [
    ["the engine says that it closes", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"],
    ["the engine speaks HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    ["more came than was asked for", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"],
  ];
  test.each(last)("is left where %s", async (_why, answer) => {
    await using engine = await startRawEngine((socket) => socket.write(answer));
    const send = start();
    for (let turn = 1; turn <= 3; turn += 1) {
      expect(await textOf(await send(`${engine.url}/`, request()))).toBe("ok");
      await engine.closed(turn - 1);
    }
    expect(engine.connections()).toBe(3);
  });

  test("that its engine closes while nobody uses it is not used again", async () => {
    await using engine = await startRawEngine((socket) => {
      socket.write(rawAnswer("ok"));
      socket.end();
    });
    const send = start();
    for (let turn = 1; turn <= 3; turn += 1) {
      await send(`${engine.url}/`, request());
      await engine.closed(turn - 1);
    }
    expect(engine.connections()).toBe(3);
  });

  test("that says something while nobody asked is left", async () => {
    const { promise: spoken, resolve: speak } = Promise.withResolvers<void>();
    await using engine = await startRawEngine((socket, { onConnection }) => {
      socket.write(rawAnswer("ok"));
      if (onConnection === 1) void spoken.then(() => socket.write(rawAnswer("forged")));
    });
    const send = start();
    await send(`${engine.url}/`, request());
    speak();
    await engine.closed(0);
    expect(await textOf(await send(`${engine.url}/`, request()))).toBe("ok");
  });

  test("that nobody uses ends after the time that its engine gives it", async () => {
    await using engine = await startRawEngine((socket) =>
      socket.write(rawAnswer("ok", { "keep-alive": "timeout=1" })),
    );
    const send = start();
    await send(`${engine.url}/`, request());
    await engine.closed(0);
    await send(`${engine.url}/`, request());
    expect(engine.connections()).toBe(2);
  }, 15_000);

  test("is another request's when its answer has come, whatever becomes of that answer's reader", async () => {
    const { promise: asked, resolve: answerNow } = Promise.withResolvers<void>();
    await using engine = await startRawEngine((socket, { onConnection }) => {
      if (onConnection === 1) socket.write(`${STREAM_HEAD}${rawChunk("data: 1\n\n")}0\r\n\r\n`);
      else void asked.then(() => socket.write(rawAnswer("ok")));
    });
    const send = start();
    const { rest } = await send(`${engine.url}/`, request());
    const second = send(`${engine.url}/`, request());
    await engine.received(2);
    rest?.cancel();
    answerNow();
    expect(await textOf(await second)).toBe("ok");
    expect(engine.connections()).toBe(1);
  });

  test("that is made for somebody who left meanwhile is kept for others", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("ok")));
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    const { promise: made, resolve: make } = Promise.withResolvers<void>();
    const slowly: Dial = async (...to) => {
      await allowed;
      await dial(...to);
      make();
    };
    const send = createHttp1Client({ dial: slowly });
    const client = new AbortController();
    const answer = send(`${engine.url}/`, request({ signal: client.signal }));
    const reason = new Error("left");
    client.abort(reason);
    expect(await answer.catch((error: unknown) => error)).toBe(reason);
    allow();
    await made;
    await settle();
    for (let turn = 0; turn < 3; turn += 1) await send(`${engine.url}/`, request());
    expect(engine.connections()).toBe(1);
  });
});

describe("an answer", () => {
  test("that breaks off in its body fails what flows, after all that came", async () => {
    await using engine = await startRawEngine((socket) => {
      socket.write(STREAM_HEAD + rawChunk("data: 1\n\n"));
      setTimeout(() => socket.write(rawChunk("data: 2\n\n"), () => socket.destroy()), 20);
    });
    const { first, rest } = await start()(`${engine.url}/`, request());
    const told = [Buffer.from(first ?? []).toString()];
    const { promise: over, resolve } = Promise.withResolvers<void>();
    rest?.flow({
      take: (piece) => void told.push(Buffer.from(piece).toString()),
      ended: () => {
        told.push("(ended)");
        resolve();
      },
      failed: (error) => {
        told.push("code" in error ? String(error.code) : error.message);
        resolve();
      },
    });
    await over;
    expect(told).toEqual(["data: 1\n\n", "data: 2\n\n", "ECONNRESET"]);
  });

  test("whose reader takes nothing is held back where it comes from, and comes whole in the end", async () => {
    const chunk = Buffer.alloc(64 * 1024, "x");
    const chunks = 1000;
    let written = 0;
    await using engine = await startRawEngine((socket) => {
      socket.write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
      );
      const more = (): void => {
        while (written < chunks) {
          written += 1;
          if (!socket.write(rawChunk(chunk.toString()))) break;
        }
        if (written === chunks) socket.write("0\r\n\r\n");
      };
      socket.on("drain", more);
      more();
    });
    const send = start();
    const { first, rest } = await send(`${engine.url}/`, request());
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    let length = first?.length ?? 0;
    rest?.flow({
      take: (piece) => {
        length += piece.length;
        return taken;
      },
      ended: end,
      failed: () => {},
    });
    for (let seen = -1; seen !== written;) {
      seen = written;
      await Bun.sleep(100);
    }
    // No more than fits into the buffers of two sockets.
    expect(written).toBeLessThan(chunks / 2);
    take();
    await over;
    expect(length).toBe(chunk.length * chunks);
    await send(`${engine.url}/`, request({ fresh: true })).then(({ rest: other }) => other?.cancel());
  });

  test.each([
    ["before its head", ""],
    ["before its first bytes", STREAM_HEAD],
    ["in its body", STREAM_HEAD + rawChunk("data: 1\n\n")],
  ])("that is given up %s ends at the engine at once", async (_when, sent) => {
    await using engine = await startRawEngine((socket) => {
      if (sent !== "") socket.write(sent);
    });
    const client = new AbortController();
    const answer = start()(`${engine.url}/`, request({ signal: client.signal }));
    await engine.received(1);
    const reason = new Error("left");
    if (sent.includes("data")) {
      const { rest } = await answer;
      client.abort(reason);
      expect(await rest?.read().catch((error: unknown) => error)).toBe(reason);
    } else {
      client.abort(reason);
      expect(await answer.catch((error: unknown) => error)).toBe(reason);
    }
    await engine.closed(0);
  });

  test("of an engine that cannot be reached says why", async () => {
    const engine = await startRawEngine(() => {});
    await engine[Symbol.asyncDispose]();
    const send = start();
    expect(await codeOf(send(`${engine.url}/`, request()))).toBe("ECONNREFUSED");
    expect(await codeOf(send("http://no-such-host.invalid/", request()))).toBe("ENOTFOUND");
    expect(await codeOf(send(`${engine.url}/`, request()))).toBe("ECONNREFUSED");
  });
});
