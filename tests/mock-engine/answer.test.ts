import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { writeAnswer, type AnswerLimits } from "../../src/mock-engine/answer.ts";
import { detokenize, endOfText, tokenize } from "../../src/mock-engine/tokens.ts";

const limits: AnswerLimits = { maxTokens: 1000, minTokens: 0, ignoreEos: false, stop: [] };
const textOf = (seed: number, given: Partial<AnswerLimits> = {}): string =>
  writeAnswer(seed, 16, { ...limits, ...given }).pieces.join("");

describe("an answer", () => {
  test("is the same for the same seed and different for another", () => {
    expect(textOf(1)).toBe(textOf(1));
    const texts = new Set(Array.from({ length: 200 }, (_, seed) => textOf(seed * 12_345)));
    expect(texts.size).toBe(200);
  });

  test("ends by itself, with a token that has no text", () => {
    const answer = writeAnswer(5, 16, limits);
    expect([answer.finishReason, answer.stopReason]).toEqual(["stop", null]);
    expect([answer.pieces.at(-1), answer.tokens.at(-1)]).toEqual(["", endOfText]);
    expect(answer.pieces.slice(0, -1)).not.toContain("");
  });

  test("is half to one and a half times as long as is typical", () => {
    const lengths = Array.from(
      { length: 500 },
      (_, seed) => writeAnswer(seed * 777, 16, limits).pieces.length,
    );
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([8, 24]);
  });

  test("has as many tokens as it has pieces, each the token of its piece", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 200 }), (seed, maxTokens) => {
        const { pieces, tokens } = writeAnswer(seed, 40, { ...limits, maxTokens });
        expect(tokens.map((token) => detokenize([token]))).toEqual([...pieces]);
        // The next turn of a conversation sends the answer back as text: it must cut into the same tokens.
        expect(tokenize(pieces.join(""))).toEqual(tokens.filter((token) => token !== endOfText));
      }),
    );
  });
});

describe("limits", () => {
  test("an answer that reaches its maximum is cut there", () => {
    const answer = writeAnswer(5, 16, { ...limits, maxTokens: 3 });
    expect([answer.pieces.length, answer.finishReason]).toEqual([3, "length"]);
    expect(textOf(5)).toStartWith(answer.pieces.join(""));
  });

  test("ignore_eos goes on to the maximum", () => {
    const answer = writeAnswer(5, 16, { ...limits, maxTokens: 500, ignoreEos: true });
    expect([answer.pieces.length, answer.finishReason]).toEqual([500, "length"]);
  });

  test("min_tokens puts the end off", () => {
    const answer = writeAnswer(5, 16, { ...limits, minTokens: 60 });
    expect([answer.pieces.length, answer.finishReason]).toEqual([60, "stop"]);
  });
});

describe("a stop string", () => {
  const whole = writeAnswer(5, 16, { ...limits, ignoreEos: true, maxTokens: 40 }).pieces.join("");
  const cut = (stop: readonly string[], minTokens = 0) =>
    writeAnswer(5, 16, { maxTokens: 40, minTokens, ignoreEos: true, stop });

  test("ends the answer before itself and is named as the reason", () => {
    const stop = whole.slice(20, 26);
    const answer = cut([stop]);
    expect(answer.pieces.join("")).toBe(whole.slice(0, whole.indexOf(stop)));
    expect([answer.finishReason, answer.stopReason]).toEqual(["stop", stop]);
    expect(answer.tokens).toHaveLength(answer.pieces.length);
  });

  test("of several, the one that is complete first decides", () => {
    const [early, late] = [whole.slice(12, 16), whole.slice(60, 64)];
    expect(cut([late, early]).stopReason).toBe(early);
  });

  test("that does not occur changes nothing", () => {
    expect(cut(["#"]).pieces.join("")).toBe(whole);
    expect(cut([""]).pieces.join("")).toBe(whole);
  });

  test("does not count before min_tokens", () => {
    const stop = whole.slice(0, 3);
    const answer = cut([stop], 10);
    expect(answer.pieces.length).toBeGreaterThanOrEqual(10);
    expect(cut([stop]).pieces.join("")).toBe("");
  });
});
