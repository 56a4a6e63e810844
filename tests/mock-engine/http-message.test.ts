import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createRequestParser, headerOf, type HttpRequest } from "../../src/mock-engine/http-message.ts";

const parse = (text: string): readonly HttpRequest[] =>
  createRequestParser().push(Buffer.from(text, "latin1"));

const stream =
  "POST /v1/x?a=1&a=2 HTTP/1.1\r\nHost: e\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 5\r\n\r\nhello" +
  "GET /health HTTP/1.1\r\nHost: e\r\n\r\n" +
  "POST /c HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n3;name=v\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n" +
  "POST /t HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: 1\r\n\r\n" +
  "GET /last HTTP/1.0\r\n\r\n";

describe("requests", () => {
  test("are shown exactly as they came", () => {
    const [first] = parse(stream);
    expect(first).toMatchObject({
      method: "POST",
      target: "/v1/x?a=1&a=2",
      path: "/v1/x",
      version: "HTTP/1.1",
    });
    expect(first?.headers).toEqual([
      ["Host", "e"],
      ["X-Twice", "1"],
      ["x-twice", "2"],
      ["Content-Length", "5"],
    ]);
    expect(first && headerOf(first, "content-length")).toBe("5");
    expect(first && headerOf(first, "absent")).toBeUndefined();
  });

  test("come one after the other, with a length or in chunks", () => {
    expect(parse(stream).map(({ path, body }) => [path, body.toString()])).toEqual([
      ["/v1/x", "hello"],
      ["/health", ""],
      ["/c", "abc0123456789"],
      ["/t", "x"],
      ["/last", ""],
    ]);
  });

  test("are the same however their bytes are divided", () => {
    const whole = parse(stream);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
        const parser = createRequestParser();
        const bytes = Buffer.from(stream, "latin1");
        const found: HttpRequest[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          found.push(...parser.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(found).toEqual([...whole]);
      }),
    );
  });

  test("a large body is whole when its last byte is there, not before", () => {
    const parser = createRequestParser();
    const body = Buffer.alloc(300_000, "x");
    expect(parser.push(Buffer.from("POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n"))).toEqual([]);
    for (let at = 0; at < 200_000; at += 100_000)
      expect(parser.push(body.subarray(at, at + 100_000))).toEqual([]);
    expect(parser.push(body.subarray(200_000, 299_999))).toEqual([]);
    expect(parser.push(body.subarray(299_999))[0]?.body.equals(body)).toBe(true);
  });

  test("a client that expects 100 Continue is noticed once", () => {
    const parser = createRequestParser();
    parser.push(Buffer.from("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    expect([parser.takeExpectation(), parser.takeExpectation()]).toEqual([true, false]);
    expect(parser.push(Buffer.from("ok"))[0]?.body.toString()).toBe("ok");
  });
});

describe("what is not HTTP is refused", () => {
  test.each([
    "hello\r\n\r\n",
    "GET /x\r\n\r\n",
    "GET /x y HTTP/1.1\r\n\r\n",
    "GET /x HTTP/2\r\n\r\n",
    "GET /x HTTP/1.1\r\nno colon\r\n\r\n",
    "POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "POST /x HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
    "POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    `GET /x HTTP/1.1\r\nX: ${"y".repeat(70_000)}`,
  ])("%p", (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ name: "MalformedRequest" }));
  });
});
