import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { dechunk } from "../support/chunked-stream.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

/** What a client saw of an answer. */
interface Seen {
  readonly status: number;
  readonly body: string;
  /** Whether it came to an end by its own framing. */
  readonly isWhole: boolean;
}

const readAnswer = (text: string): Seen => {
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, end);
  const rest = text.slice(end + 4);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  if (/^transfer-encoding: chunked/im.test(head)) return { status, ...dechunk(Buffer.from(rest, "latin1")) };
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  return { status, body: rest, isWhole: rest.length === length };
};

const LAST_WORD = "data: [DONE]\n\n";
const token = 'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n';
const head = (fields: string, type = "text/event-stream") =>
  `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${fields}\r\n`;

/** A break in the middle: the client's answer has begun. */
const broken = { status: 200, isWhole: false };

type Row = readonly [
  what: string,
  answer: (socket: Socket) => void,
  seen: Pick<Seen, "status" | "isWhole">,
  contains?: string,
];

/** Writes, then does something once that has surely been read. */
const write = (text: string | Buffer, then: (socket: Socket) => void) => (socket: Socket) => {
  socket.write(text);
  setTimeout(() => then(socket), 30);
};
const fin = (socket: Socket): void => void socket.end();
const rst = (socket: Socket): void => void socket.resetAndDestroy();

const streams: readonly Row[] = [
  ["chunks cut by FIN", write(STREAM_HEAD + rawChunk(token), fin), broken, '"code":"upstream_reset"'],
  ["chunks cut by RST", write(STREAM_HEAD + rawChunk(token), rst), broken, '"code":"upstream_reset"'],
  ["a chunk cut by FIN", write(`${STREAM_HEAD}ff\r\n${token}`, fin), broken, '"code":"upstream_reset"'],
  ["a length cut by FIN", write(head("content-length: 900\r\n") + token, fin), broken, '"error"'],
  ["a length cut by RST", write(head("content-length: 900\r\n") + token, rst), broken, '"error"'],
  ["an end of the connection without a last word", write(head("") + token, fin), broken, '"error"'],
  [
    "an end of the connection with a last word",
    write(head("") + token + LAST_WORD, fin),
    { status: 200, isWhole: true },
    LAST_WORD,
  ],
  [
    "an orderly end without a last word",
    write(`${STREAM_HEAD}${rawChunk(token)}0\r\n\r\n`, () => {}),
    broken,
    '"error"',
  ],
  [
    "a bad chunk size",
    write(STREAM_HEAD + rawChunk(token), (socket) => socket.write("zz\r\n")),
    broken,
    '"error"',
  ],
  [
    "an error in its middle and an orderly end",
    write(
      `${STREAM_HEAD}${rawChunk(token)}${rawChunk('data: {"error":{"code":500}}\n\n')}${rawChunk(LAST_WORD)}0\r\n\r\n`,
      () => {},
    ),
    { status: 200, isWhole: true },
    `${token}data: {"error":{"code":500}}\n\n${LAST_WORD}`,
  ],
  [
    "an error at its beginning",
    write(
      `${STREAM_HEAD}${rawChunk('data: {"error":{"code":422}}\n\n')}${rawChunk(LAST_WORD)}0\r\n\r\n`,
      () => {},
    ),
    { status: 422, isWhole: true },
    '{"error":{"code":422}}',
  ],
  [
    "no event",
    write(`${STREAM_HEAD}0\r\n\r\n`, () => {}),
    { status: 502, isWhole: true },
    "upstream_invalid",
  ],
  ["a head and FIN", write(STREAM_HEAD, fin), { status: 502, isWhole: true }, "upstream_reset"],
];

const wholes: readonly Row[] = [
  [
    "a body shorter than its length",
    write(head("content-length: 9\r\n", "application/json") + "{}", fin),
    { status: 502, isWhole: true },
  ],
  ["half a head", write("HTTP/1.1 200 OK\r\ncontent-le", fin), { status: 502, isWhole: true }],
  ["no byte and FIN", write("", fin), { status: 502, isWhole: true }, "upstream_reset"],
  ["no byte and RST", write("", rst), { status: 502, isWhole: true }, "upstream_reset"],
  ["garbage", write("\0\x01garbage\r\n\r\n", fin), { status: 502, isWhole: true }],
  ["another protocol", write("SSH-2.0-OpenSSH_9.6\r\n", fin), { status: 502, isWhole: true }],
  [
    "NUL in a field",
    write("HTTP/1.1 200 OK\r\na: \0\r\ncontent-length: 2\r\n\r\n{}", fin),
    { status: 502, isWhole: true },
  ],
  [
    "two lengths",
    write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", fin),
    { status: 502, isWhole: true },
  ],
  [
    "an unasked 101",
    write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", fin),
    { status: 502, isWhole: true },
  ],
  [
    "fields without end",
    write(`HTTP/1.1 200 OK\r\n${`a: ${"x".repeat(1000)}\r\n`.repeat(3000)}\r\n`, fin),
    { status: 502, isWhole: true },
  ],
  [
    "length and chunks",
    write(
      `HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${rawChunk("ab")}0\r\n\r\n`,
      () => {},
    ),
    { status: 200, isWhole: true },
    "ab",
  ],
  [
    "bare line feeds",
    write("HTTP/1.1 200 OK\ncontent-length: 2\n\nab", () => {}),
    { status: 200, isWhole: true },
    "ab",
  ],
  [
    "early hints",
    write(
      "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
      () => {},
    ),
    { status: 200, isWhole: true },
    "ab",
  ],
  ["status 999", write(rawAnswer("{}", {}, "999 Odd"), () => {}), { status: 502, isWhole: true }],
  [
    "a redirect",
    write(rawAnswer("", { location: "http://127.0.0.1:1/" }, "307 Moved"), () => {}),
    { status: 502, isWhole: true },
  ],
  [
    "204 with a body",
    write("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nab", () => {}),
    { status: 204, isWhole: true },
  ],
  [
    "a second answer that nobody asked for",
    write(Buffer.concat([rawAnswer('{"a":1}'), rawAnswer('{"forged":1}')]), () => {}),
    { status: 200, isWhole: true },
    '{"a":1}',
  ],
  [
    "compressed bytes",
    write(rawAnswer(Bun.gzipSync("{}"), { "content-encoding": "gzip" }), () => {}),
    { status: 200, isWhole: true },
    "\x1f\x8b",
  ],
  [
    "400",
    write(rawAnswer('{"object":"error"}', {}, "400 Bad Request"), () => {}),
    { status: 400, isWhole: true },
    '{"object":"error"}',
  ],
  [
    "500",
    write(rawAnswer("oops", {}, "500 Internal Server Error"), () => {}),
    { status: 500, isWhole: true },
    "oops",
  ],
  [
    "503 in chunks",
    write(
      `HTTP/1.1 503 Busy\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n${rawChunk("busy")}0\r\n\r\n`,
      () => {},
    ),
    { status: 503, isWhole: true },
    "busy",
  ],
];

const ask = (content: string) =>
  rawPost("/v1/completions", JSON.stringify({ model: "m", prompt: content }), ["Connection: close"]);

describe.each<[string, readonly Row[]]>([
  ["a stream with", streams],
  ["an answer with", wholes],
])("%s", (_kind, rows) => {
  test.each(rows)(
    "%s: is whole or visibly not, and the next request has its own answer",
    async (_what, answer, seen, contains = "") => {
      await using engine = await startRawEngine((socket, { body }) => {
        if (body.includes("next")) socket.write(rawAnswer('{"next":true}'));
        else answer(socket);
      });
      await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
      using client = sendRaw(router.port, ask("broken"));
      const { body, ...rest } = readAnswer(await client.closed());
      expect(rest).toEqual(seen);
      expect(body).toContain(contains);
      expect(body).not.toContain("forged");
      if (!seen.isWhole) expect(body).not.toContain("[DONE]");
      expect(body).not.toContain(String(engine.port));
      for (let turn = 0; turn < 2; turn += 1) {
        using next = sendRaw(router.port, ask("next"));
        expect(readAnswer(await next.closed())).toEqual({
          status: 200,
          body: '{"next":true}',
          isWhole: true,
        });
      }
    },
  );
});
