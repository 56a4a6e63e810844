import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readOpeningError, statusOfError } from "../../src/proxy/opening-error.ts";
import type { AnswerBody, Bytes } from "../../src/core/answer.ts";

const headers = { "content-type": "text/event-stream; charset=utf-8", "x-engine": "e" };

/** A stream's body in these chunks, of which the first is there. */
const answerOf = (chunks: readonly Bytes[]) => {
  let reads = 0;
  let isCancelled = false;
  const rest: AnswerBody = {
    read: async () => {
      reads += 1;
      const value = chunks[reads];
      return value ? { done: false, value } : { done: true };
    },
    flow: () => {},
    cancel: () => {
      isCancelled = true;
    },
  };
  const answer = { status: 200, headers, first: chunks[0], rest };
  return { answer, reads: () => reads, isCancelled: () => isCancelled };
};

const bytes = (text: string): Bytes => new Uint8Array(Buffer.from(text));

const read = async (...chunks: readonly string[]) => {
  const given = answerOf(chunks.map(bytes));
  const found = await readOpeningError(given.answer);
  const first = Buffer.from(found.first ?? []).toString();
  return { ...found, first, given };
};

const error = (fields: object) => JSON.stringify({ error: fields });

describe("a stream that opens with an error", () => {
  const rows: [string, string, number, string][] = [
    [
      "vLLM's",
      `data: ${error({ message: "too long", type: "BadRequestError", param: null, code: 400 })}\n\ndata: [DONE]\n\n`,
      400,
      error({ message: "too long", type: "BadRequestError", param: null, code: 400 }),
    ],
    [
      "a failure",
      `data: ${error({ message: "dead", code: 500 })}\n\n`,
      500,
      error({ message: "dead", code: 500 }),
    ],
    [
      "SGLang's, with spaces",
      'data: {"error": {"message": "no slot", "code": 503}}\n\n',
      503,
      '{"error": {"message": "no slot", "code": 503}}',
    ],
    [
      "an older vLLM's",
      'data: {"object": "error", "message": "x", "code": 404}\n\n',
      404,
      '{"object": "error", "message": "x", "code": 404}',
    ],
    [
      "that of Anthropic's messages",
      'event: error\ndata: {"type":"error","error":{"type":"internal_error","message":"x"}}\n\n',
      500,
      '{"type":"error","error":{"type":"internal_error","message":"x"}}',
    ],
    [
      "the client's own, by its type",
      'event: error\r\ndata: {"type":"error","error":{"type":"invalid_request_error"}}\r\n\r\n',
      400,
      '{"type":"error","error":{"type":"invalid_request_error"}}',
    ],
    ["a sentence", 'data: {"error":"out of memory"}\n\n', 500, '{"error":"out of memory"}'],
    ["one without its empty line", 'data: {"error":{"code":502}}', 502, '{"error":{"code":502}}'],
    ["one that says ünïcode", 'data: {"error":"ünïcode"}\n\n', 500, '{"error":"ünïcode"}'],
  ];
  test.each(rows)(
    "%s: is JSON with the status that it should have had",
    async (_whose, text, status, body) => {
      const found = await read(text);
      expect([found.status, found.first, found.rest]).toEqual([status, body, undefined]);
      expect(found.headers["content-type"]).toBe("application/json");
      expect(found.headers["x-engine"]).toBe("e");
      expect(found.given.isCancelled()).toBe(true);
    },
  );

  test("is found in whatever way it is cut behind its beginning", async () => {
    const text = `data: ${error({ message: "y".repeat(300), code: 503 })}\n\ndata: [DONE]\n\n`;
    for (let cut = 96; cut < 330; cut += 1)
      expect(await read(text.slice(0, cut), text.slice(cut))).toHaveProperty("status", 503);
  });
});

describe("a stream that does not", () => {
  test.each([
    ["a token", 'data: {"id":"x","choices":[]}\n\n'],
    ["a token that speaks of errors", 'data: {"choices":[{"text":"\\"error\\": {"}]}\n\n'],
    ["no error", 'data: {"error":null,"choices":[]}\n\n'],
    ["a chunk", 'data: {"object":"chat.completion.chunk"}\n\n'],
    ["a comment", ": ping\n\n"],
    ["half a line", "da"],
  ])("comes back as it is: %s", async (_what, text) => {
    const given = answerOf([bytes(text), bytes("data: 2\n\n")]);
    expect(await readOpeningError(given.answer)).toBe(given.answer);
    expect(given.reads()).toBe(0);
  });

  test("keeps all its bytes where what looked like an error is none", async () => {
    const broken = await read('data: {"error":{"co', "de\n\n", "data: 2\n\n");
    expect([broken.status, broken.first]).toEqual([200, 'data: {"error":{"code\n\n']);
    const cut = await read('data: {"error":{"co', "de");
    expect([cut.status, cut.first, await cut.rest?.read()]).toEqual([
      200,
      'data: {"error":{"code',
      { done: true, value: undefined },
    ]);
    const endless = await read(
      'data: {"error":"',
      ..."x"
        .repeat(10)
        .split("")
        .map((x) => x.repeat(10_000)),
      "tail",
    );
    expect(endless.status).toBe(200);
    expect(endless.first.length).toBeGreaterThan(64 * 1024);
    expect((await endless.rest?.read())?.done).toBe(false);
  });
});

test("an error's status is its code where that is one of HTTP's for errors, and 500 otherwise", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (code) => {
      const status = statusOfError({ error: { code } });
      const number = typeof code === "string" ? Number(code) : code;
      const isStatus = Number.isInteger(number) && Number(number) >= 400 && Number(number) < 600;
      expect(status).toBe(isStatus ? Number(number) : 500);
    }),
  );
  expect(statusOfError({ code: "429" })).toBe(429);
});
