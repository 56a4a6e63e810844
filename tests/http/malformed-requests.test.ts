import { afterAll, describe, expect, test } from "bun:test";
import {
  body,
  type Case,
  chunked,
  CHUNKS,
  INNER,
  lines,
  post,
  sized,
  startingWith,
  startWire,
  statusesOf,
  withHost,
} from "./messages.ts";

const wire = await startWire();
afterAll(async () => wire[Symbol.asyncDispose]());

/** All of a body in chunks but the empty line that ends it. */
const ALL_BUT_END = chunked(`d\r\n${body}\r\n0\r\n`);

const refused: Readonly<Record<number, readonly Case[]>> = {
  400: [
    [
      "a length and then chunks, with a request behind them (CL.TE)",
      `${post("Content-Length: 6", "Transfer-Encoding: chunked")}0\r\n\r\n${INNER}`,
    ],
    [
      "a length that ends within the first chunk (TE.CL)",
      `${post("Content-Length: 4", "Transfer-Encoding: chunked")}${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`,
    ],
    [
      "chunks and then another coding (TE.TE)",
      post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + CHUNKS + INNER,
    ],
    ["a coding that is almost chunked", post("Transfer-Encoding: xchunked") + CHUNKS + INNER],
    ["chunked after a vertical tab", post("Transfer-Encoding: \x0bchunked") + CHUNKS + INNER],
    ["chunked in quotes", post('Transfer-Encoding: "chunked"') + CHUNKS + INNER],
    ["chunked with a parameter", post("Transfer-Encoding: chunked;q=1") + CHUNKS + INNER],
    ["chunked after gzip", post("Transfer-Encoding: gzip, chunked") + CHUNKS + INNER],
    ["chunked before a NUL", post("Transfer-Encoding: chunked\0") + CHUNKS + INNER],
    ["chunked on a folded line", post("Transfer-Encoding:\r\n chunked") + CHUNKS + INNER],
    ["a coding within a folded line", post("X: 1\r\n\tTransfer-Encoding: chunked") + CHUNKS + INNER],
    ["no coding at all", post("Transfer-Encoding:") + CHUNKS + INNER],
    ["a space behind the name of the coding's header", post("Transfer-Encoding : chunked") + CHUNKS + INNER],
    ["a header behind a bare LF", post("X: 1\nTransfer-Encoding: chunked") + CHUNKS + INNER],
    ["a header behind a bare CR", post("X: 1\rTransfer-Encoding: chunked") + CHUNKS + INNER],
    ["a negative length", post("Content-Length: -13") + body],
    ["a hexadecimal length", post("Content-Length: 0xd") + body],
    ["a list of lengths", post("Content-Length: 13, 13") + body],
    ["an empty length", post("Content-Length:") + body],
    ["a length with a space in it", post("Content-Length: 1 3") + body],
    ["a length with a fraction", post("Content-Length: 13.0") + body],
    ["a length with an exponent", post("Content-Length: 1e1") + body],
    ["a length in digits that are not ASCII", post("Content-Length: \xb9\xb3") + body],
    [
      "a length beyond 64 bits that wraps to the right one",
      post("Content-Length: 18446744073709551629") + body,
    ],
    ["a length of 23 digits", post(`Content-Length: ${"9".repeat(23)}`) + body],
    ["a chunk's size with 0x", chunked(`0xd\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size with a minus", chunked(`-d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size with a plus", chunked(`+d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size with an underscore", chunked(`0_d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size after a space", chunked(` d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size before a space", chunked(`d \r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk without a size", chunked(`\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's size beyond 64 bits", chunked(`1000000000000000d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["chunks with bare LF", chunked(`d\n${body}\n0\n\n${INNER}`)],
    ["a chunk that ends with a bare LF", chunked(`d\r\n${body}\n0\r\n\r\n${INNER}`)],
    ["a chunk longer than its size", chunked(`c\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk shorter than its size", chunked(`e\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's extension that ends with a bare LF", chunked(`d;a\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's extension with a bare CR", chunked(`d;a\rb\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a chunk's extension with a NUL", chunked(`d;\0\r\n${body}\r\n0\r\n\r\n${INNER}`)],
    ["a line end in a quoted extension", chunked(`d;a="\r\n${body}"\r\n0\r\n\r\n${INNER}`)],
    ["two spaces in the request line", startingWith("POST  /v1/completions HTTP/1.1")],
    ["a space before the method", startingWith(" POST /v1/completions HTTP/1.1")],
    ["empty lines before the request", `\r\n\r\n${sized()}`],
    ["no target", startingWith("POST  HTTP/1.1")],
    ["a target without a slash", startingWith("POST v1/completions HTTP/1.1")],
    ["a target of another scheme", startingWith("POST ftp://evil/v1/completions HTTP/1.1")],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a header without a colon", sized("Nonsense")],
    ["a header without a name", sized(": x")],
    ["a space in a header's name", sized("X Y: 1")],
    ["a control character in a header's name", sized("X\x01: 1")],
    ["parentheses in a header's name", sized("X(): 1")],
    ["a header's name that is not ASCII", sized("X\xe9: 1")],
    ["a control character in a header's value", sized("X: a\x01b")],
    ["a bare CR in a header's value", sized("X: a\rY: b")],
    ["a bare LF in a header's value", sized("X: a\nY: b")],
    ["a folded line before any header", sized().replace("Host: a", " X: 1\r\nHost: a")],
    ["a host with a control character", withHost("a\x01")],
    ["a greeting of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a greeting of SSH", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["the PROXY protocol", `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${sized()}`],
    ["the PROXY protocol in binary", `\r\n\r\n\0\r\nQUIT\n${sized()}`],
    ["bytes of no meaning", "\xff\xfe\xfd\xfc\r\n\r\n"],
  ],
  413: [
    ["a length that wraps in 32 bits", post("Content-Length: 4294967309") + body],
    ["an extension without an end", chunked(`d;${"a".repeat(100_000)}\r\n${body}\r\n0\r\n\r\n`)],
  ],
  431: [
    ["a target that is too long", startingWith(`POST /v1/completions?${"x".repeat(20_000)} HTTP/1.1`)],
    ["60 kB of headers", sized(...lines(60, "y".repeat(1000)))],
  ],
  505: [
    ["no version", startingWith("POST /v1/completions")],
    ["a request of HTTP/0.9", "GET /v1/models\r\n\r\n"],
    ["HTTP/1.2", startingWith("POST /v1/completions HTTP/1.2")],
    ["HTTP/2.0", startingWith("POST /v1/completions HTTP/2.0")],
    ["HTTP/11", startingWith("POST /v1/completions HTTP/11")],
    ["http/1.1", startingWith("POST /v1/completions http/1.1")],
    ["tabs in the request line", startingWith("POST\t/v1/completions\tHTTP/1.1")],
    ["two targets", startingWith("POST /v1/completions /v1/embeddings HTTP/1.1")],
    ["a control character in the method", startingWith("PO\x01ST /v1/completions HTTP/1.1")],
    ["a NUL in the target", startingWith("POST /v1/comple\0tions HTTP/1.1")],
    ["a bare CR in the target", startingWith("POST /v1/completions\rX HTTP/1.1")],
    ["nothing but bare LF", sized().replaceAll("\r\n", "\n")],
    ["nothing but bare CR", sized().replaceAll("\r\n", "\r")],
  ],
};

describe("a message that two readers could read differently ends its connection and reaches no engine", () => {
  describe.each(Object.entries(refused))("with %s", (status, cases) => {
    test.each(cases)("%s", async (_what, bytes) => {
      const before = wire.engine.requests.length;
      using client = wire.send(bytes);
      expect(statusesOf(await client.closed())).toEqual([Number(status)]);
      expect(await wire.reached(before)).toEqual([]);
    });
  });

  test.each<Case>([
    ["a method in lower case", startingWith("post /v1/completions HTTP/1.1")],
    ["a method of 10 kB", startingWith(`${"P".repeat(10_000)} /v1/completions HTTP/1.1`)],
  ])("without a word: %s", async (_what, bytes) => {
    const before = wire.engine.requests.length;
    using client = wire.send(bytes);
    expect(await client.closed()).toBe("");
    expect(await wire.reached(before)).toEqual([]);
  });
});

test.each<Case>([
  ["no last chunk", chunked(`d\r\n${body}\r\n`)],
  ["a chunk of 4 GiB", chunked(`10000000d\r\n${body}\r\n0\r\n\r\n${INNER}`)],
  ["half a head", post().slice(0, -2)],
])("what has not ended is waited for, and reaches no engine: %s", async (_what, bytes) => {
  const before = wire.engine.requests.length;
  using client = wire.send(bytes);
  expect(await wire.reached(before)).toEqual([]);
  expect(client.text()).toBe("");
});

// The runtime hands a body over with its last chunk, before it looks at what follows.
describe.each<readonly [what: string, end: string]>([
  ["a trailer", "X: 1\r\n\r\n"],
  ["a length in a trailer", `Content-Length: 5\r\n\r\n${INNER}`],
  ["a request instead of a trailer", `${INNER}\r\n\r\n`],
  ["a last chunk with a bare LF", `\n${INNER}`],
])("a message that turns bad at its very end: %s", (_what, end) => {
  test("reaches an engine once, as it was until then, where its end comes after the answer", async () => {
    const before = wire.engine.requests.length;
    using client = wire.send(ALL_BUT_END);
    await client.until(/\r\n\r\n\{"model":"m"\}$/);
    client.socket.write(end);
    expect(statusesOf(await client.closed())).toEqual([200, 400]);
    expect(await wire.reached(before)).toEqual(["POST /v1/completions HTTP/1.1"]);
    expect(wire.engine.requests[before]?.body.toString()).toBe(body);
  });

  test("reaches one at most once in one packet, since one thread sends it on while another closes", async () => {
    const before = wire.engine.requests.length;
    using client = wire.send(ALL_BUT_END + end);
    expect(statusesOf(await client.closed())).toEqual([400]);
    const reached = await wire.reached(before);
    expect(["", "POST /v1/completions HTTP/1.1"]).toContain(reached.join());
    const bodies = reached.map((_line, nth) => wire.engine.requests[before + nth]?.body.toString());
    expect(bodies).toEqual(reached.map(() => body));
  });
});

test("a body that ends with its length is followed by the next request, whatever it looks like", async () => {
  const before = wire.engine.requests.length;
  using empty = wire.send(post("Content-Length: 0") + INNER);
  await empty.until(/HTTP\/1\.1 400 [^]*HTTP\/1\.1 200 /);
  expect(await wire.reached(before)).toEqual(["POST /v1/embeddings HTTP/1.1"]);
  using short = wire.send(post("Content-Length: 5") + body + INNER);
  expect(statusesOf(await short.closed())).toEqual([400, 400]);
  expect(await wire.reached(before)).toEqual(["POST /v1/embeddings HTTP/1.1"]);
});
