import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLog } from "../../src/core/log.ts";
import { controlLine, routingLine } from "../../src/proxy/routing-log.ts";
import { createTestClock } from "../support/clock.ts";

const line = (
  changes: Partial<Parameters<typeof routingLine>[0]> = {},
): Parameters<typeof routingLine>[0] => ({
  requestId: "req-1",
  url: "http://10.0.0.1:8000/prefix",
  epochMs: 1_700_000_000_123,
  elapsedMs: 1.26,
  ...changes,
});

describe("the line of a routed request", () => {
  test("is the reference's to the letter", () => {
    expect(routingLine(line({ sessionId: "user-7" }))).toBe(
      "Routing request req-1 with session id user-7 to http://10.0.0.1:8000/prefix at 1700000000.123, process time = 0.0013",
    );
  });

  test("says None where the policy looked at no session", () => {
    expect(routingLine(line())).toStartWith(
      "Routing request req-1 with session id None to http://10.0.0.1:8000/prefix at ",
    );
  });

  test("of a sleep, wake or is-sleeping call has no session part", () => {
    expect(controlLine(line({ elapsedMs: 12_345.67 }))).toBe(
      "Routing request req-1 to http://10.0.0.1:8000/prefix at 1700000000.123, process time = 12.3457",
    );
  });
});

/** The expressions that upstream's end-to-end checks apply to the log (reference, command line, section 8.2). */
const UPSTREAM = {
  timing: /Routing request.*to.*at.*process time/,
  byRequest: /Routing request ([^ ]*) with session id [^ ]* to ([^ ]*) at /,
  bySession: /Routing request [^ ]* with session id ([^ ]*) to ([^ ]*) at /,
};

describe("what upstream's checks read from the written line", () => {
  const written = (sessionId: string | undefined): string => {
    const lines: string[] = [];
    const clock = createTestClock();
    const write = (_stream: string, text: string) => lines.push(text);
    createLog({ level: "info", format: "text" }, { clock, write }).info(routingLine(line({ sessionId })));
    return lines.join("");
  };

  test("is the request, the session and the engine", () => {
    const text = written("abc");
    expect(text).toMatch(UPSTREAM.timing);
    expect(UPSTREAM.byRequest.exec(text)?.slice(1)).toEqual(["req-1", "http://10.0.0.1:8000/prefix"]);
    expect(UPSTREAM.bySession.exec(text)?.slice(1)).toEqual(["abc", "http://10.0.0.1:8000/prefix"]);
  });

  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom(
        " ",
        "\t",
        "\n",
        "\r",
        "\0",
        "\u00a0",
        "\u0085",
        "\u2028",
        "\u3000",
        "\ufeff",
        "\ud800",
        "a",
        "%",
      ),
    }),
    fc.constantFrom(
      "",
      "x to http://evil at ",
      "None to http://evil:1 at 1, process time = 0",
      "\u001b[31mred",
      "😀".repeat(200),
      "s".repeat(1_000_000),
    ),
  );

  test("is the engine that was chosen, and one token of a session, whatever the client calls it", () => {
    fc.assert(
      fc.property(hostile, (sessionId) => {
        const text = written(sessionId);
        expect(text.split("\n")).toHaveLength(2);
        expect(text).toMatch(UPSTREAM.timing);
        expect(UPSTREAM.byRequest.exec(text)?.slice(1)).toEqual(["req-1", "http://10.0.0.1:8000/prefix"]);
        expect(UPSTREAM.bySession.exec(text)?.[2]).toBe("http://10.0.0.1:8000/prefix");
        // Split at white space, as by a shell's tools or Python's split(), the words stand where they belong.
        const words = text.trim().split(/[\s\p{Cc}]+/u);
        expect(words.slice(words.indexOf("Routing"))).toEqual([
          ..."Routing request req-1 with session id".split(" "),
          expect.any(String),
          ..."to http://10.0.0.1:8000/prefix at 1700000000.123, process time = 0.0013 (vllm_router)".split(
            " ",
          ),
        ]);
        expect(text.length).toBeLessThan(4096);
      }),
      { numRuns: 500 },
    );
  });

  test("tells an empty session from none", () => {
    expect(UPSTREAM.bySession.exec(written(""))?.[1]).toBe('""');
    expect(UPSTREAM.bySession.exec(written(undefined))?.[1]).toBe("None");
  });
});
