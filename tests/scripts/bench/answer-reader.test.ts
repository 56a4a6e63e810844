import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAnswerReader } from "../../../scripts/bench/answer-reader.ts";

const chunked = (pieces: readonly string[], trailers = ""): Buffer =>
  Buffer.from(
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      ...pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`),
      `0\r\n${trailers}\r\n`,
    ].join(""),
  );

const withLength = (body: string, status = "200 OK"): Buffer =>
  Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

/** Pushes in pieces that end at the given offsets; tells after which of them the answer was complete. */
const readInPieces = (bytes: Buffer, cuts: readonly number[]) => {
  const reader = createAnswerReader();
  const offsets = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  const complete = offsets
    .slice(1)
    .map((offset, index) => reader.push(bytes.subarray(offsets[index], offset)));
  return { complete, status: reader.status(), bodyBytes: reader.bodyBytes() };
};

describe("the reader of answers", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 20 });

  test("counts the body and ends with the last byte, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 })), cuts, fc.boolean(), (pieces, at, isChunked) => {
        const bytes = isChunked ? chunked(pieces) : withLength(pieces.join(""));
        const { complete, status, bodyBytes } = readInPieces(bytes, at);
        expect(complete.indexOf(true)).toBe(complete.length - 1);
        expect(status).toBe(200);
        expect(bodyBytes).toBe(Buffer.byteLength(pieces.join("")));
      }),
    );
  });

  test("is not complete before the trailers have ended", () => {
    const bytes = chunked(["abc"], "x-checksum: 1\r\n");
    expect(readInPieces(bytes, [bytes.length - 1]).complete).toEqual([false, true]);
  });

  test("takes an answer without a body", () => {
    expect(readInPieces(withLength("", "503 Service Unavailable"), [])).toEqual({
      complete: [true],
      status: 503,
      bodyBytes: 0,
    });
  });

  test.each([
    ["SSH-2.0-OpenSSH_9.2\r\n", "not a status line"],
    ["HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", "neither a length nor chunks"],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "not the size of a chunk"],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", "longer than its size"],
    ["HTTP/1.1 200 OK\ncontent-length: 0\n\n", "ends without CR"],
    ["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab", "after the end"],
    [`HTTP/1.1 200 ${"x".repeat(70_000)}`, "without an end"],
  ])("refuses %j", (bytes, message) => {
    expect(() => createAnswerReader().push(Buffer.from(bytes))).toThrow(message);
  });
});
