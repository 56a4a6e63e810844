import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createUsageFilter } from "../../src/proxy/usage-filter.ts";
import { bodyOf, events, IDLE, start } from "../proxy/started-forward.ts";

const STREAMS = 10_000;
const FILTERED = 20_000;

const TOKEN = 'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n';
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n';
const DONE = "data: [DONE]\n\n";

const text = fc.string({ unit: "binary-ascii", maxLength: 40 });
const event = fc.oneof(
  { weight: 4, arbitrary: fc.constant(TOKEN) },
  { weight: 2, arbitrary: fc.constant(USAGE) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      USAGE.replaceAll("\n", "\r\n"),
      TOKEN.replaceAll("\n", "\r\n"),
      USAGE.replace("data: ", "data:"),
      ": ping\n\n",
      "event: x\ndata: {}\n\n",
      'data: {"choices":[{}],"usage":{}}\n\n',
      'data: {"choices":[],"usage":null}\n\n',
      "\n\n",
      "\r\n",
      "data: \n",
      `data: ${"x".repeat(5000)}"usage"\n\n`,
    ),
  },
  { weight: 1, arbitrary: text },
);

/** A text in pieces, cut wherever the numbers say. */
const cutAt = (whole: string, places: readonly number[]): readonly string[] => {
  const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].sort(
    (left, right) => left - right,
  );
  const edges = [0, ...sorted, whole.length];
  return edges
    .slice(1)
    .map((edge, index) => whole.slice(edges[index], edge))
    .filter((piece) => piece !== "");
};

const filter = (pieces: readonly string[]): string => {
  const { take, rest } = createUsageFilter();
  const kept = pieces.map((piece) => take(Buffer.from(piece)));
  return Buffer.concat([...kept, rest()].map((part) => part ?? Buffer.alloc(0))).toString();
};

const places = fc.array(fc.nat(), { maxLength: 12 });

describe("a stream, whatever its events are and however it is cut,", () => {
  test(`loses the same bytes to the filter as in one piece: none, or one event of usage (${FILTERED} cases)`, () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), places, (parts, cuts) => {
        const whole = parts.join("");
        const kept = filter(cutAt(whole, cuts));
        expect(kept).toBe(filter([whole]));
        if (kept === whole) return;
        let at = 0;
        while (kept[at] === whole[at]) at += 1;
        const lost = whole.length - kept.length;
        expect(kept).toBe(whole.slice(0, at) + whole.slice(at + lost));
        expect(whole.slice(at, at + lost)).toContain('"usage"');
      }),
      { numRuns: FILTERED },
    );
  }, 60_000);

  test(`goes through whole and ends as such, or is told to be broken (${STREAMS} cases)`, async () => {
    const ends = fc.constantFrom("ends", "breaks");
    let complete = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 8 }),
        fc.boolean(),
        ends,
        places,
        async (parts, isDone, end, cuts) => {
          // It begins with a token, so that it is no error and not nothing; how those are taken is tested by themselves.
          const whole = TOKEN + parts.join("") + (isDone ? `\n\n${DONE}` : "");
          const { send, inTime, load } = start({ engines: [events(cutAt(whole, cuts), end)] });
          const answer = await inTime(send(true, { stream: true }));
          let received = "";
          let isCut = false;
          const reading = (async () => {
            try {
              const decoder = new TextDecoder();
              for await (const chunk of bodyOf(answer)) received += decoder.decode(chunk, { stream: true });
            } catch {
              isCut = true;
            }
          })();
          await inTime(reading);
          const expected = filter([whole]);
          const isComplete = end === "ends" && isDone;
          if (isComplete) complete += 1;
          expect(isCut).toBe(!isComplete);
          if (isComplete) expect(received).toBe(expected);
          else {
            expect(received).toStartWith(expected);
            expect(received.slice(expected.length)).toMatch(/^\n\ndata: \{"error":\{.*\}\}\n\n$/);
          }
          expect(load()).toEqual(IDLE);
        },
      ),
      { numRuns: STREAMS },
    );
    console.info(`${STREAMS} streams: ${complete} complete, ${STREAMS - complete} broken and told so`);
  }, 120_000);
});
