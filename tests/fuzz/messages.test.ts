import { expect, test } from "bun:test";
import fc from "fast-check";
import { body, chunked, CHUNKS, INNER, post, sized, startingWith, startWire } from "../http/messages.ts";

const BATCHES = 200;
const AT_ONCE = 25;
const MESSAGES = BATCHES * AT_ONCE;

const WHOLE = [
  sized(),
  chunked(CHUNKS),
  sized("Connection: close"),
  startingWith("GET /health HTTP/1.1"),
  startingWith("POST /v1/chat/completions?x=1 HTTP/1.1"),
  `${post("Content-Length: 0")}${INNER}`,
];
const PIECES = [
  "",
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  "0",
  "\xff",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Host: b\r\n",
  ";a=b",
  "HTTP/1.0",
  "%0d%0a",
  "../",
  body,
  CHUNKS,
  INNER,
];

/** A message that is well formed but for a few places. */
const damaged = fc
  .tuple(
    fc.constantFrom(...WHOLE),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(...PIECES), fc.nat({ max: 3 })), { maxLength: 3 }),
  )
  .map(([whole, changes]) =>
    changes.reduce((text, [at, piece, gone]) => {
      const place = at % text.length;
      return text.slice(0, place) + piece + text.slice(place + gone);
    }, whole),
  );
const message = fc.oneof(
  { weight: 9, arbitrary: damaged },
  {
    weight: 1,
    arbitrary: fc.string({
      unit: fc.nat({ max: 255 }).map((code) => String.fromCodePoint(code)),
      maxLength: 200,
    }),
  },
);

/** Requests that a connection's bytes can be at most: each needs a line of its own that ends so. */
const mostRequests = (bytes: string): number => bytes.split("HTTP/1.").length - 1;

test(`of ${MESSAGES} messages with bytes changed none makes more requests than it has heads, and each is framed by the router`, async () => {
  await using wire = await startWire();
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (messages) => {
      const before = wire.engine.requests.length;
      using clients = new DisposableStack();
      for (const bytes of messages) clients.use(wire.send(bytes));
      const lines = await wire.reached(before);
      expect(lines.length).toBeLessThanOrEqual(messages.reduce((sum, bytes) => sum + mostRequests(bytes), 0));
      for (const { head, body: received } of wire.engine.requests.slice(before)) {
        const framing = head
          .split("\r\n")
          .filter((line) => /^(?:content-length|transfer-encoding)\s*:/i.test(line));
        if (head.startsWith("POST "))
          expect(framing.join().toLowerCase()).toBe(`content-length: ${received.length}`);
        else expect(framing).toEqual([]);
        expect(head).toMatch(/^[A-Z]+ \/[\x21-\x7e]* HTTP\/1\.1\r\n/);
        expect(head.match(/^host:.*$/gim)).toEqual([`Host: 127.0.0.1:${wire.engine.port}`]);
        expect(head).not.toMatch(/^(?:transfer-encoding|te|trailer|upgrade|expect|proxy-[a-z]+):/im);
      }
    }),
    { numRuns: BATCHES, endOnFailure: true },
  );
  console.info(`${MESSAGES} messages became ${wire.engine.requests.length} requests`);
}, 120_000);
