import { describe, expect, test } from "bun:test";
import { engineOf, parseFleet } from "../../src/simulate/engine-kinds.ts";
import { faultForms, parseFaults } from "../../src/simulate/fault-events.ts";
import { config } from "../mock-engine/virtual-time.ts";

describe("a fleet", () => {
  test.each([
    ["3", ["standard", "standard", "standard"]],
    ["2xfast,1xslow", ["fast", "fast", "slow"]],
    ["fast, 1", ["fast", "standard"]],
  ])("%s is written as a number, or by kinds", (text, kinds) => {
    expect(parseFleet(text)).toEqual(kinds);
  });

  test.each(["", "0", "x", "3x", "-1", "2xgpu", "2,,3", "1.5", "100000", "9999,9999"])(
    "%j is refused",
    (text) => {
      expect(() => parseFleet(text)).toThrow(/no number of engines|not simulated/);
    },
  );

  test("a fast engine computes in less time than a standard one, and a slow one in more", () => {
    const [fast, standard, slow] = ["fast", "standard", "slow"].map((kind) => engineOf(kind, config));
    expect(standard).toMatchObject(config);
    expect(fast?.prefillTokensPerSecond).toBe(16_000);
    expect(slow?.prefillTokensPerSecond).toBe(4000);
    expect(fast?.decodeMs).toBeLessThan(slow?.decodeMs ?? 0);
    expect(engineOf("toString", config)).toBeUndefined();
  });
});

describe("faults", () => {
  const parse = (text: string) => parseFaults(text, 4, config);

  test("are read in every form", () => {
    expect(parse("die:1@10, die:4@1.5-20,slow:2@3-4x2.5,join:fast@60")).toEqual([
      { kind: "die", engine: 0, atMs: 10_000 },
      { kind: "die", engine: 3, atMs: 1500 },
      { kind: "return", engine: 3, atMs: 20_000 },
      { kind: "slow", engine: 1, atMs: 3000, factor: 2.5 },
      { kind: "slow", engine: 1, atMs: 4000, factor: 1 },
      { kind: "join", config: engineOf("fast", config) ?? config, atMs: 60_000 },
    ]);
    expect(parse("")).toEqual([]);
  });

  test.each([
    ["die:5@1", "counted from 1 to 4"],
    ["die:0@1", "counted from 1 to 4"],
    ["die:1@9-3", "ends before it begins"],
    ["die:1@9-10x2", "is written die:"],
    ["slow:1@9", "is written slow:"],
    ["slow:1@9-10x0", "is written slow:"],
    ["join:gpu@9", "no kind of engine"],
    ["join:fast@9-10", "is written join:"],
    ["explode:1@2", Object.keys(faultForms).join(", ")],
  ])("%s is refused with what would be right", (text, sentence) => {
    expect(() => parse(text)).toThrow(sentence);
  });
});
