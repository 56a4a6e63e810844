import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type RawEngine, rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { sendRaw } from "../support/raw-client.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

const body = '{"model":"m"}';
const CHUNKS = `d\r\n${body}\r\n0\r\n\r\n`;

let engine: RawEngine;
let router: TestRouter;
beforeAll(async () => {
  engine = await startRawEngine((socket, { body: received }) => socket.write(rawAnswer(received)));
  router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const post = (...headers: readonly string[]): string =>
  ["POST /v1/completions HTTP/1.1", "Host: a", ...headers, "", ""].join("\r\n");

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
  ])("%s reaches the engine once, as one message with a length of our own", async (_what, request) => {
    const before = engine.requests.length;
    using client = sendRaw(router.port, request);
    expect(await client.until(/\{"model":"m"\}$/)).toContain("HTTP/1.1 200 ");
    expect(engine.requests).toHaveLength(before + 1);
    const { head, body: received } = engine.requests.at(-1) ?? { head: "", body: Buffer.alloc(0) };
    expect(framing(head).map((line) => line.toLowerCase())).toEqual(["content-length: 13"]);
    expect(received.toString()).toBe(body);
    expect(head).not.toMatch(/^(?:expect|upgrade|te|trailer|keep-alive|proxy-[a-z]+|x-mine):/im);
    expect(head).toMatch(/^host: 127\.0\.0\.1:\d+$/im);
  });
});

// The runtime answers several requests of one packet only where it has each answer at once, and otherwise closes.
test("requests that come in one packet are answered in their order, or none is: nobody gets another's answer", async () => {
  using local = sendRaw(router.port, "GET /version HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
  await local.until(/(?:HTTP\/1\.1 200 [^]*){3}/);

  const before = engine.requests.length;
  const numbered = [1, 2, 3].map((number) => `{"model":"m","n":${number}}`);
  const requests = numbered.map((text) => post(`Content-Length: ${text.length}`) + text).join("");
  using forwarded = sendRaw(router.port, requests);
  expect(await forwarded.closed()).toBe("");
  expect(engine.requests.length - before).toBeLessThan(2);
});

test("what looks like a second request within a body stays within it", async () => {
  const before = engine.requests.length;
  const inner = "GET /metrics HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n";
  const text = `{"model":"m","prompt":"\\r\\n${inner}"}`.replaceAll("\\r\\n", "\\u000d\\u000a");
  using client = sendRaw(router.port, post(`Content-Length: ${text.length}`, "Connection: close") + text);
  const received = await client.closed();
  expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect(engine.requests.slice(before).map(({ body: sent }) => sent.toString())).toEqual([text]);
});

test("a body that ends before its length reaches no engine", async () => {
  const before = engine.requests.length;
  using client = sendRaw(router.port, post("Content-Length: 100") + body);
  client.socket.end();
  await client.closed();
  expect(engine.requests).toHaveLength(before);
});
