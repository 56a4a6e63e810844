import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AnswerHead } from "../../src/http1/answer-head.ts";
import { createAnswerParser } from "../../src/http1/answer-parser.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Seen {
  readonly heads: readonly AnswerHead[];
  readonly body: string;
  /** Whether each answer that is whole left its connection for another one. */
  readonly ends: readonly boolean[];
}

const bytesOf = (text: string): Bytes => new Uint8Array(Buffer.from(text, "latin1"));

/** What a parser makes of bytes that come in these pieces, for requests of these methods. */
const parse = (pieces: readonly Bytes[], { methods = ["POST"], closes = false } = {}): Seen => {
  const heads: AnswerHead[] = [];
  const ends: boolean[] = [];
  let body = "";
  const parser = createAnswerParser({
    head: (head) => heads.push(head),
    piece: (bytes) => {
      body += Buffer.from(bytes).toString("latin1");
    },
    end: (isReusable) => {
      ends.push(isReusable);
      const next = methods[ends.length];
      if (next !== undefined) parser.expect(next);
    },
  });
  parser.expect(methods[0] ?? "");
  for (const piece of pieces) parser.read(piece);
  if (closes) parser.close();
  return { heads, body, ends };
};

const cutAt = (text: string, places: readonly number[]): Bytes[] => {
  const cuts = [0, ...places.map((place) => place % (text.length + 1)).sort((left, right) => left - right)];
  return cuts
    .map((from, index) => bytesOf(text.slice(from, cuts[index + 1])))
    .filter(({ length }) => length > 0);
};

const chunked = (chunks: readonly string[], extension = ""): string =>
  `${chunks.map((chunk) => `${chunk.length.toString(16)}${extension}\r\n${chunk}\r\n`).join("")}0\r\n\r\n`;

describe("however an answer's bytes are cut", () => {
  const places = fc.array(fc.nat(4000), { maxLength: 40 });
  const chunk = fc
    .string({ unit: fc.constantFrom("a", "\r", "\n", "0", "é", " "), minLength: 1, maxLength: 40 })
    .map((text) => Buffer.from(text, "latin1").toString("latin1"));

  test("a body in chunks is what was sent, extensions and trailers left out", () => {
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 20 }),
        places,
        fc.constantFrom("", ";a=b", " ; q"),
        fc.constantFrom("", "x-sum: 1\r\n"),
        (chunks, cuts, extension, trailer) => {
          const text = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunked(chunks, extension).replace(/0\r\n\r\n$/, `0\r\n${trailer}\r\n`)}`;
          const seen = parse(cutAt(text, cuts));
          expect([seen.body, seen.ends]).toEqual([chunks.join(""), [true]]);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("a body of a known length is what was sent", () => {
    fc.assert(
      fc.property(chunk, places, (body, cuts) => {
        const text = `HTTP/1.1 200 OK\r\nContent-Length:${body.length}\r\n\r\n${body}`;
        expect(parse(cutAt(text, cuts))).toMatchObject({ body, ends: [true] });
      }),
    );
  });

  test("a body that lasts as long as its connection is what was sent", () => {
    fc.assert(
      fc.property(chunk, places, (body, cuts) => {
        const seen = parse(cutAt(`HTTP/1.1 200 OK\r\n\r\n${body}`, cuts), { closes: true });
        expect(seen).toMatchObject({ body, ends: [false] });
      }),
    );
  });

  test("one answer ends where the next one begins", () => {
    const texts = [
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
      "HTTP/1.1 204 No Content\r\n\r\n",
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunked(["c", "d"])}`,
      "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
      "HTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\ne",
    ];
    fc.assert(
      fc.property(places, (cuts) => {
        const seen = parse(cutAt(texts.join(""), cuts), {
          methods: ["POST", "POST", "POST", "HEAD", "GET"],
        });
        expect(seen.heads.map(({ status }) => status)).toEqual([200, 204, 200, 200, 404]);
        expect([seen.body, seen.ends]).toEqual(["abcde", [true, true, true, true, true]]);
      }),
    );
  });
});

describe("whatever bytes come", () => {
  test("they are an answer or an error that says so, and nothing else", () => {
    const line = fc.constantFrom(
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.0 500\r\n",
      "content-length: 3\r\n",
      "transfer-encoding: chunked\r\n",
      "connection: close\r\n",
      "\r\n",
      "\n",
      "3\r\nabc\r\n",
      "0\r\n\r\n",
      "ffffffffffff\r\n",
      "abc",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(300)), (lines, cuts) => {
        try {
          parse(cutAt(lines.join(""), cuts), { closes: true });
        } catch (error) {
          expect(error).toMatchObject({ code: "Malformed_HTTP_Response" });
        }
      }),
      { numRuns: 3000 },
    );
  });

  const malformed: [string, string][] = [
    ["another protocol", "SSH-2.0"],
    ["no status", "HTTP/1.1 abc\r\n\r\n"],
    ["HTTP/2", "HTTP/2 200\r\n\r\n"],
    ["a line without a name", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\na"],
    ["a lone CR", "HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n"],
    ["a NUL", "HTTP/1.1 200 OK\r\na: \0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
    ["a list of lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n"],
    ["a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"],
    ["a coding that is unknown", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n"],
    ["a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"],
    ["a size that is none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"],
    ["a size that begins as none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz"],
    ["a chunk longer than its size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n"],
    ["a head without end", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(20_000)}`],
    ["a size without end", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${"x".repeat(9000)}`],
    [
      "trailers without end",
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(9000)}`,
    ],
    ["more than one answer", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc"],
  ];
  test.each(malformed)("%s is an error", (_what, text) => {
    expect(() => parse([bytesOf(text)])).toThrow("is not valid HTTP");
    const some = text.length > 1000 ? 999 : 1;
    const pieces = Array.from({ length: Math.ceil(text.length / some) }, (_, at) =>
      bytesOf(text.slice(at * some, (at + 1) * some)),
    );
    expect(() => parse(pieces)).toThrow("is not valid HTTP");
  });
});

describe("a head", () => {
  const headOf = (...lines: readonly string[]): AnswerHead => {
    const [head] = parse([bytesOf(`${["HTTP/1.1 200 OK", ...lines].join("\r\n")}\r\n\r\n`)]).heads;
    if (!head) throw new Error("no head");
    return head;
  };

  test("has the fields from end to end, and those of its connection left out", () => {
    const { headers, cookies } = headOf(
      "Content-Type:  application/json \t",
      "X-Latin: \u00e9\u00a0",
      "X-Hop: 1",
      "Connection: keep-alive, X-Hop",
      "Keep-Alive: timeout=5",
      "Trailer: x",
      "Proxy-Authenticate: Basic",
      "Set-Cookie: a=1",
      "set-cookie: b=2",
      "content-length: 0",
    );
    expect(headers).toEqual({ "content-type": "application/json", "x-latin": "\u00e9\u00a0" });
    expect(cookies).toEqual(["a=1", "b=2"]);
  });

  test("has lines of one name joined, whatever the name", () => {
    const { headers } = headOf(
      "Vary: a",
      "vary:b",
      "constructor: c",
      "__proto__: d",
      "X-Empty:",
      "X-Empty: ",
    );
    expect(Object.entries(headers)).toEqual([
      ["vary", "a, b"],
      ["constructor", "c"],
      ["__proto__", "d"],
      ["x-empty", ", "],
    ]);
  });

  test("has no cookies that its connection claims", () => {
    expect(headOf("Set-Cookie: a=1", "Connection: set-cookie").cookies).toBeUndefined();
  });

  test("is read whatever ends its lines", () => {
    const [head] = parse([bytesOf("HTTP/1.1 200 OK\nX-A: 1\r\nx-b: 2\ncontent-length: 0\n\n")]).heads;
    expect(head?.headers).toEqual({ "x-a": "1", "x-b": "2" });
  });

  test.each(["content-type", "Content-Type", "CONTENT-TYPE", "cOnTeNt-TyPe"])("knows %s", (name) => {
    expect(headOf(`${name}: text/plain`).headers).toEqual({ "content-type": "text/plain" });
  });

  test("says how long its connection lasts", () => {
    expect(headOf("content-length: 0")).toMatchObject({ isPersistent: true, keptSeconds: undefined });
    expect(headOf("connection: Close").isPersistent).toBe(false);
    expect(headOf("keep-alive: max=100, timeout=7").keptSeconds).toBe(7);
    const old = parse([bytesOf("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n")]).heads[0];
    expect(old?.isPersistent).toBe(false);
    // Who says both may mean either.
    expect(headOf("content-length: 3", "transfer-encoding: chunked").isPersistent).toBe(false);
  });
});
