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

const holding = (line: string): string =>
  `${line} HTTP/1.1\r\nHost: a\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`;

/** Lines of a head that say how a body is framed. */
const framing = (head: string): readonly string[] =>
  head.split("\r\n").filter((line) => /^(content-length|transfer-encoding):/i.test(line));

describe("a request that the runtime's parser lets pass although it is odd", () => {
  test.each<[what: string, request: string]>([
    ["equal lengths twice", post("Content-Length: 13", "Content-Length: 13") + body],
    ["a length with a zero before it", post("Content-Length: 013") + body],
    ["a length with a space behind it", post("Content-Length: 13 ") + body],
    ["chunks after nothing", post("Transfer-Encoding: ,chunked") + CHUNKS],
    ["chunks with an extension", post("Transfer-Encoding: chunked") + CHUNKS.replace("d\r\n", "d;a=b\r\n")],
    ["an expectation", post("Content-Length: 13", "Expect: 100-continue") + body],
    ["an upgrade", post("Content-Length: 13", "Connection: Upgrade", "Upgrade: h2c") + body],
    [
      "everything of one connection",
      post(
        "Content-Length: 13",
        "Connection: X-Mine, keep-alive",
        "X-Mine: 1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X-T",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Connection: close",
      ) + body,
    ],
    ["a coding after a tab", post("Transfer-Encoding:\tchunked") + CHUNKS],
    ["a coding in capitals", post("Transfer-Encoding: CHUNKED") + CHUNKS],
    ["a header that looks like a coding", sized("Transfer_Encoding: chunked")],
    [
      "a coding that is named of one connection",
      post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked") + CHUNKS,
    ],
    ["a length that is", sized("Connection: Content-Length")],
    ["a chunk's size in capitals", chunked(CHUNKS.replace("d", "D"))],
    ["a chunk's size after zeros", chunked(`00000d\r\n${body}\r\n000\r\n\r\n`)],
    ["a quoted extension", chunked(`d;a="b;c"\r\n${body}\r\n0\r\n\r\n`)],
    ["an extension of the last chunk", chunked(`d\r\n${body}\r\n0;x=y\r\n\r\n`)],
    [
      "chunks of one byte",
      chunked(
        `${body
          .split("")
          .map((byte) => `1\r\n${byte}\r\n`)
          .join("")}0\r\n\r\n`,
      ),
    ],
    ["a target that names its host", startingWith("POST http://evil/v1/completions HTTP/1.1")],
    ["a target with a fragment", startingWith("POST /v1/completions#x HTTP/1.1")],
    ["a target with dots", startingWith("POST /v1/files/../completions HTTP/1.1")],
    ["a header's value that is not ASCII", sized("X: \xc3\xa9")],
    ["190 headers", sized(...lines(190, "1"))],
    ["an unknown expectation", sized("Expect: 200-maybe")],
    [
      "a wish for a WebSocket",
      sized(
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: eA==",
        "Sec-WebSocket-Version: 13",
      ),
    ],
    [
      "a wish for HTTP/2",
      sized("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    ],
    ["HTTP/1.0 with keep-alive", sized("Connection: keep-alive").replace("HTTP/1.1", "HTTP/1.0")],
  ])("%s reaches the engine once, as one message with a length of our own", async (_what, request) => {
    const before = wire.engine.requests.length;
    using client = wire.send(request);
    expect(await client.until(/\r\n\r\n\{"model":"m"\}$/)).toMatch(
      /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 /,
    );
    expect(await wire.reached(before)).toEqual(["POST /v1/completions HTTP/1.1"]);
    const { head, body: received } = wire.engine.requests[before] ?? { head: "", body: Buffer.alloc(0) };
    expect(framing(head).map((line) => line.toLowerCase())).toEqual(["content-length: 13"]);
    expect(received.toString()).toBe(body);
    expect(head).not.toMatch(/^(?:expect|upgrade|te|trailer|keep-alive|proxy-[a-z]+|x-mine):/im);
    expect(head).toMatch(/^host: 127\.0\.0\.1:\d+$/im);
  });
});

describe("what the router answers by itself reaches no engine", () => {
  test.each<readonly [...Case, number]>([
    ["a health check that holds a request", holding("GET /health"), 200],
    ["a HEAD that holds a request", holding("HEAD /livez"), 200],
    ["a refused method that holds a request", holding("DELETE /v1/completions"), 405],
    ["OPTIONS that hold a request", holding("OPTIONS /v1/completions"), 405],
    ["an unknown route that holds a request", holding("POST /nothing"), 404],
    ["a target with two slashes", startingWith("POST //evil/v1/completions HTTP/1.1"), 404],
    ["encoded dots", startingWith("POST /v1/%2e%2e/sleep HTTP/1.1"), 400],
    ["dots that are encoded twice", startingWith("POST /v1/%252e%252e/sleep HTTP/1.1"), 404],
    ["an encoded slash", startingWith("POST /v1%2fcompletions HTTP/1.1"), 404],
    ["a target in UTF-8", startingWith("POST /v1/compl\xc3\xa9tions HTTP/1.1"), 404],
    ["a target in no encoding", startingWith("POST /v1/compl\xfftions HTTP/1.1"), 404],
    ["a host with a user", withHost("u@a"), 400],
    ["a host with a path", withHost("a/b"), 400],
    ["a list of hosts", withHost("a, b"), 400],
    ["two hosts", sized("host: b"), 400],
  ])("%s", async (_what, bytes, status) => {
    const before = wire.engine.requests.length;
    using client = wire.send(bytes);
    await client.until(/\r\n\r\n/);
    expect(await wire.reached(before)).toEqual([]);
    expect(statusesOf(client.text())).toEqual([status]);
  });
});

describe("requests that come in one packet", () => {
  test("are answered in their order where the router answers them by itself", async () => {
    using local = wire.send(
      ["/version", "/nothing", "/livez"].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""),
    );
    await local.until(/(?:HTTP\/1\.1 \d{3} [^]*){3}/);
    expect(statusesOf(local.text())).toEqual([200, 404, 200]);
  });

  // The runtime has them wait only where it has each answer at once, and otherwise closes.
  test("and go to engines are not answered: the first reaches one at most once, since it is sent while the connection is closed", async () => {
    const before = wire.engine.requests.length;
    using forwarded = wire.send(sized().repeat(3));
    expect(await forwarded.closed()).toBe("");
    expect(["", "POST /v1/completions HTTP/1.1"]).toContain((await wire.reached(before)).join());
  });
});

test("what looks like a second request within a body stays within it", async () => {
  const before = wire.engine.requests.length;
  const inner = "GET /metrics HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n";
  const text = `{"model":"m","prompt":"\\r\\n${inner}"}`.replaceAll("\\r\\n", "\\u000d\\u000a");
  using client = wire.send(post(`Content-Length: ${text.length}`, "Connection: close") + text);
  const received = await client.closed();
  expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect(wire.engine.requests.slice(before).map(({ body: sent }) => sent.toString())).toEqual([text]);
});

test("a body that ends before its length reaches no engine", async () => {
  const before = wire.engine.requests.length;
  using client = wire.send(post("Content-Length: 100") + body);
  client.socket.end();
  await client.closed();
  expect(wire.engine.requests).toHaveLength(before);
});
