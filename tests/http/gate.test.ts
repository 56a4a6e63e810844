import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RouterError } from "../../src/core/errors.ts";
import { admit } from "../../src/http/gate.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

type Given = Readonly<Record<string, string>>;

const requestWith = (headers: Given, method = "GET"): Request =>
  new Request("http://router/v1/models", { method, headers: { host: "router", ...headers } });

const refusal = (request: Parameters<typeof admit>[0]): string | undefined => {
  try {
    admit(request);
    return undefined;
  } catch (error) {
    if (!(error instanceof RouterError)) throw error;
    return `${error.code}: ${error.message}`;
  }
};

const BAD_HOST = "invalid_request: Invalid request: the Host header is missing or malformed.";

describe("a host", () => {
  test.each([
    "router",
    "a.b-c_d.example",
    "10.0.0.1",
    "router:8001",
    "[::1]",
    "[2001:db8::1]:65535",
    "[::ffff:10.0.0.1]:1",
  ])("%p is admitted", (host) => {
    expect(refusal(requestWith({ host }))).toBeUndefined();
  });

  test.each([
    "",
    "a?",
    "a b",
    "u:p@x",
    "[::1",
    "::1",
    "a/b",
    "a\\b",
    "a#",
    "a, b",
    "a:",
    "a:x",
    "a:123456",
    "a:1:2",
    "%61",
    "é",
  ])("%p is refused", (host) => {
    expect(refusal(requestWith({ host }))).toBe(BAD_HOST);
  });

  // The runtime takes the path as it came where a URL with this host is invalid.
  test.each([".0", "1.2.3.4.5", "999.999.999.999", "[:::]", "[1]", "a:99999"])(
    "%p is none that a URL can have",
    (host) => {
      const raw = { headers: new Headers({ host }), method: "GET", url: `http://${host}/v1/../sleep` };
      expect(refusal(raw)).toBe(BAD_HOST);
    },
  );

  test("that is admitted cannot move where the path begins", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary-ascii" }).filter((host) => !/[\0\r\n]/.test(host)),
        (host) => {
          const url = `http://${host.trim()}/v1/models?x`;
          if (refusal({ headers: new Headers({ host }), method: "GET", url }) !== undefined) return;
          expect(new URL(url).pathname).toBe("/v1/models");
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("that is missing is refused", () => {
    expect(refusal(new Request("http://router/v1/models"))).toBe(BAD_HOST);
  });
});

describe("a field that two readers could read differently", () => {
  test.each([
    ["authorization", "Bearer a, Bearer b"],
    ["authorization", "Bearer a,"],
    ["content-type", "application/json, text/plain"],
    ["content-type", 'multipart/form-data; boundary="a", text/plain'],
  ])("%s: %p is refused", (name, value) => {
    expect(refusal(requestWith({ [name]: value }))).toBe(
      `invalid_request: Invalid request: more than one ${name} header.`,
    );
  });

  test.each([
    ["authorization", "Bearer a"],
    ["authorization", 'Custom key="a,b"'],
    ["content-type", 'multipart/form-data; boundary="a,b"'],
    ["content-type", 'multipart/form-data; boundary="a\\",b"'],
    ["accept", "application/json, text/plain"],
    ["x-custom", "a, b"],
  ])("%s: %p is admitted", (name, value) => {
    expect(refusal(requestWith({ [name]: value }))).toBeUndefined();
  });
});

describe("a method", () => {
  test.each(["GET", "POST", "HEAD", "OPTIONS"])("%s is left to the routes", (method) => {
    expect(refusal(requestWith({}, method))).toBeUndefined();
  });

  test.each(["PUT", "DELETE", "PATCH"])("%s is refused", (method) => {
    expect(refusal(requestWith({}, method))).toBe("method_not_allowed: Method Not Allowed");
  });
});

describe("on the wire", () => {
  const post = (line: string, ...headers: readonly string[]): string =>
    [line, ...headers, "Content-Length: 13", "Connection: close", "", '{"model":"m"}'].join("\r\n");

  const FLOOD = Array.from({ length: 250 }, (_, index) => `X-${index}: 1`);
  const CHUNKED =
    'POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nd\r\n{"model":"m"}\r\n0\r\n\r\n';

  const cases: [string, string, number][] = [
    ["two hosts", post("POST /v1/completions HTTP/1.1", "Host: a", "Host: a"), 400],
    ["no host", post("POST /v1/completions HTTP/1.1"), 400],
    ["no host, as HTTP/1.0 allows", post("POST /v1/completions HTTP/1.0"), 400],
    ["no host and a path that hides another", post("GET /health/../v1/models HTTP/1.0"), 400],
    ["an empty host", post("GET /health HTTP/1.0", "Host: "), 400],
    ["headers that are too many", post("POST /v1/completions HTTP/1.1", "Host: a", ...FLOOD), 431],
    [
      "a header that is too long",
      post("POST /v1/completions HTTP/1.1", "Host: a", `X: ${"x".repeat(20_000)}`),
      431,
    ],
    [
      "a length and chunks",
      post("POST /v1/completions HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"),
      400,
    ],
    ["two lengths", post("POST /v1/completions HTTP/1.1", "Host: a", "Content-Length: 5"), 400],
    ["a length with a sign", CHUNKED.replace("Transfer-Encoding: chunked", "Content-Length: +13"), 400],
    ["chunks in another coding", CHUNKED.replace("chunked", "chunked, identity"), 400],
    ["chunks twice", CHUNKED.replace("chunked", "chunked\r\nTransfer-Encoding: chunked"), 400],
    ["a chunk that is no number", CHUNKED.replace("d\r\n", "zz\r\n"), 400],
    ["chunks of HTTP/1.0", CHUNKED.replace("HTTP/1.1", "HTTP/1.0"), 400],
    ["a space before the colon", post("POST /v1/completions HTTP/1.1", "Host: a", "X : 1"), 400],
    ["a folded header", post("POST /v1/completions HTTP/1.1", "Host: a", "X: 1", " 2"), 400],
    ["a NUL in a header", post("POST /v1/completions HTTP/1.1", "Host: a", "X: a\0b"), 400],
    [
      "a host that keeps the path from being made canonical",
      post("POST /v1/../collective_rpc HTTP/1.1", "Host: .0"),
      400,
    ],
    ["a port that does so", post("POST /v1/%2e%2e/collective_rpc HTTP/1.1", "Host: a:99999"), 400],
    ["a host that hides a path", post("POST /ab/v1/completions HTTP/1.1", "Host: a?"), 400],
    [
      "two credentials",
      post("POST /v1/completions HTTP/1.1", "Host: a", "Authorization: x", "Authorization: y"),
      400,
    ],
    [
      "two content types",
      post("POST /v1/completions HTTP/1.1", "Host: a", "Content-Type: a/b", "Content-Type: c/d"),
      400,
    ],
    ["TRACE", post("TRACE /v1/completions HTTP/1.1", "Host: a"), 405],
    ["CONNECT", post("CONNECT /v1/completions HTTP/1.1", "Host: a"), 405],
    ["CONNECT to an authority", post("CONNECT engine:8000 HTTP/1.1", "Host: a"), 400],
    ["DELETE", post("DELETE /v1/completions HTTP/1.1", "Host: a"), 405],
    ["PROPFIND", post("PROPFIND /v1/completions HTTP/1.1", "Host: a"), 405],
    ["OPTIONS *", post("OPTIONS * HTTP/1.1", "Host: a"), 400],
  ];
  test.each(cases)("%s reaches no engine", async (_what, bytes, status) => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("{}")));
    await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
    using client = sendRaw(router.port, bytes);
    expect(await client.closed()).toStartWith(`HTTP/1.1 ${status} `);
    expect(engine.requests).toEqual([]);
  });

  test.each(["GET /health", "HEAD /livez", "GET /readyz"])(
    "%s is answered without a host, as load balancers ask in HTTP/1.0",
    async (line) => {
      await using router = startRouter({ backends: [{ url: "http://127.0.0.1:9", models: ["m"] }] });
      using client = sendRaw(router.port, `${line} HTTP/1.0\r\n\r\n`);
      expect(await client.closed()).toMatch(/^HTTP\/1\.\d 200 /);
    },
  );

  test("a refusal carries the request id, and that of a method names those that there are", async () => {
    await using router = startRouter({ backends: [] });
    using client = sendRaw(
      router.port,
      "PUT /v1/models HTTP/1.1\r\nHost: a\r\nX-Request-Id: r-1\r\nConnection: close\r\n\r\n",
    );
    const answer = (await client.closed()).toLowerCase();
    expect(answer).toContain("x-request-id: r-1");
    expect(answer).toContain("allow: get, post");
    expect(answer).toEndWith('{"detail":"method not allowed"}');
  });
});
