import { describe, expect, test } from "bun:test";
import { parseTrace, replay } from "../../src/simulate/workloads/trace.ts";

const mooncake = [
  '{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [0, 2]}',
  '{"timestamp": 1000, "input_length": 1100, "output_length": 9, "hash_ids": [0, 1]}',
  "",
].join("\n");

describe("a Mooncake trace", () => {
  test("gives requests in the order of time, with blocks of 512 tokens and a last one that is shorter", () => {
    const [first, second] = parseTrace(mooncake);
    expect(first).toMatchObject({ atMs: 0, promptTokens: 1100, outputTokens: 9 });
    // What no hash stands for is a text of its own.
    expect(first?.prompt.map(({ tokens }) => tokens)).toEqual([512, 512, 76]);
    expect(second).toEqual({
      atMs: 2000,
      promptTokens: 600,
      outputTokens: 5,
      prompt: [
        { id: 0, tokens: 512 },
        { id: 2, tokens: 88 },
      ],
    });
  });

  test("is replayed faster, and its beginning alone", () => {
    const trace = parseTrace(mooncake);
    expect([...replay(trace, { rate: 4 }).arrivals].map(({ atMs }) => atMs)).toEqual([0, 500]);
    expect([...replay(trace, { rate: 1, limit: 1 }).arrivals]).toHaveLength(1);
  });

  test.each([
    ["", "holds no requests"],
    ["nonsense", "line 1 is not JSON"],
    ['{"timestamp": 0, "input_length": 0, "output_length": 1, "hash_ids": []}', "line 1: input_length"],
    [`${mooncake}{"timestamp": 0, "input_length": 5, "output_length": 1}`, "line 3: hash_ids"],
  ])("%s is refused with its line", (text, sentence) => {
    expect(() => parseTrace(text)).toThrow(sentence);
  });
});

describe("an Azure trace", () => {
  test.each(["2023-11-16 18:15:46.6805900", "2024-05-10 00:00:00.009930+00:00"])(
    "is read with times like %s",
    (time) => {
      const later = time.replace("46.68", "49.68").replace("00:00.00", "00:03.00");
      const trace = parseTrace(
        `TIMESTAMP,ContextTokens,GeneratedTokens\r\n${time},374,44\r\n${later},396,109\r\n`,
      );
      expect(trace.map(({ atMs, promptTokens, outputTokens }) => [atMs, promptTokens, outputTokens])).toEqual(
        [
          [0, 374, 44],
          [3000, 396, 109],
        ],
      );
      const [first, second] = trace.flatMap(({ prompt }) => prompt.map(({ id }) => id));
      expect(first).not.toBe(second);
    },
  );

  test("is refused with the line that is none", () => {
    expect(() => parseTrace("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374")).toThrow(
      "line 2",
    );
  });
});
