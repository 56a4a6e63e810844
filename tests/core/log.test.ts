import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLog, escapeLine, type LogLevel, logFormats, logLevels } from "../../src/core/log.ts";
import { createTestClock } from "../support/clock.ts";

// In the time zone of whoever runs the tests, as the log is.
const EPOCH_MS = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

const start = (level: LogLevel, format: (typeof logFormats)[number] = "text") => {
  const clock = createTestClock(EPOCH_MS);
  const written: [stream: string, line: string][] = [];
  const write = (stream: string, line: string) => written.push([stream, line]);
  return { clock, written, log: createLog({ level, format }, { clock, write }) };
};

describe("a line", () => {
  test("in text has the reference's shape", () => {
    const { written, log } = start("info");
    log.info("hello");
    expect(written).toEqual([["stdout", "[2026-01-02 03:04:05,006] INFO: hello (vllm_router)\n"]]);
  });

  test("in JSON is one object with the reference's fields", () => {
    const { written, log } = start("info", "json");
    log.warning('say "hi"');
    const [stream, line = ""] = written[0] ?? [];
    expect(stream).toBe("stderr");
    expect(JSON.parse(line)).toEqual({
      timestamp: "2026-01-02 03:04:05,006",
      level: "WARNING",
      logger: "vllm_router",
      message: 'say "hi"',
    });
  });

  test("is dated by the wall clock, to the millisecond", () => {
    const { clock, written, log } = start("info");
    for (const byMs of [0, 993, 1, 0.9, 24 * 3600 * 1000]) {
      clock.advance(byMs);
      log.info("x");
    }
    expect(written.map(([, line]) => line.slice(1, 24))).toEqual([
      "2026-01-02 03:04:05,006",
      "2026-01-02 03:04:05,999",
      "2026-01-02 03:04:06,000",
      "2026-01-02 03:04:06,000",
      "2026-01-03 03:04:06,000",
    ]);
  });
});

describe("a record of several lines", () => {
  const lines = ["", "Server: http://a", "  - evil\nname"];

  test("keeps its lines and escapes each of them", () => {
    const { written, log } = start("info");
    log.infoBlock(lines);
    expect(written).toEqual([
      ["stdout", "[2026-01-02 03:04:05,006] INFO: \nServer: http://a\n  - evil\\u000aname (vllm_router)\n"],
    ]);
  });

  test("is one line of JSON", () => {
    const { written, log } = start("info", "json");
    log.infoBlock(lines);
    const [, line = ""] = written[0] ?? [];
    expect(line.trimEnd()).not.toContain("\n");
    expect(JSON.parse(line)).toMatchObject({ message: "\nServer: http://a\n  - evil\\u000aname" });
  });

  test("is left out where INFO is not logged", () => {
    const { written, log } = start("warning");
    log.infoBlock(lines);
    expect(written).toEqual([]);
  });
});

describe("levels", () => {
  const methods = ["debug", "info", "warning", "error"] as const;

  test.each([...logLevels])("%s writes what is as severe or more, and says so beforehand", (level) => {
    const { written, log } = start(level);
    for (const method of methods) log[method](method);
    const expected = methods.filter((method) => logLevels.indexOf(method) >= logLevels.indexOf(level));
    expect(written.map(([, line]) => /\] (\w+): (\w+) /.exec(line)?.slice(1))).toEqual(
      expected.map((method) => [method.toUpperCase(), method]),
    );
    for (const candidate of logLevels)
      expect(log.isEnabled(candidate)).toBe(logLevels.indexOf(candidate) >= logLevels.indexOf(level));
  });

  test("decide the stream: INFO and below to stdout, WARNING and above to stderr", () => {
    const { written, log } = start("trace");
    for (const method of methods) log[method](method);
    expect(written.map(([stream]) => stream)).toEqual(["stdout", "stdout", "stderr", "stderr"]);
  });
});

describe("a message from outside", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom(
        "\r",
        "\n",
        "\t",
        "\0",
        "\u001b[31m",
        "\u0085",
        "\u009b",
        "\u2028",
        "\u2029",
        "a",
        "\ud800",
        "\\",
      ),
    }),
  );

  test("is one line without any control character, whatever it holds", () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom(...logFormats), (message, format) => {
        const { written, log } = start("info", format);
        log.info(message);
        const line = written[0]?.[1] ?? "";
        expect(line).toEndWith("\n");
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        if (format === "json") expect(JSON.parse(line)).toMatchObject({ message: escapeLine(message) });
        else expect(line).toBe(`[2026-01-02 03:04:05,006] INFO: ${escapeLine(message)} (vllm_router)\n`);
      }),
    );
  });

  test("keeps everything that is no control character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (message) => {
        expect(escapeLine(message)).toBe(message);
      }),
    );
    expect(escapeLine("a\r\nb\u001b[31mc\u2028\0")).toBe("a\\u000d\\u000ab\\u001b[31mc\\u2028\\u0000");
  });

  test.each(["x", "\n", "😀"])("of a megabyte of %p is cut to a line of bounded length", (unit) => {
    const { written, log } = start("info");
    log.info(unit.repeat(1024 * 1024));
    const line = written[0]?.[1] ?? "";
    expect(line.length).toBeLessThan(7 * 4096);
    expect(line).toContain("...");
    expect(line.split("\n")).toHaveLength(2);
  });
});
