import { describe, expect, test } from "bun:test";
import { candidatesAt } from "../support/candidates.ts";
import { answer, promptAt, startPolicy } from "./planned.ts";

const urls = ["http://a", "http://b", "http://c", "http://d"];
const four = candidatesAt(urls);
const text = (letter: string, bytes: number): string => letter.repeat(bytes);

const countsOf = (chosen: readonly string[]): readonly number[] =>
  urls.map((url) => chosen.filter((other) => other === url).length);

describe("leastload", () => {
  test("keeps the prompt tokens that wait even, however long prompts are", () => {
    const { send } = startPolicy("leastload");
    const long = send(promptAt(text("x", 40_000)), four);
    const chosen = Array.from(
      { length: 6 },
      (_, at) => send(promptAt(text(`${at}`, 4000)), four).endpoint.url,
    );
    expect(chosen).not.toContain(long.endpoint.url);
    expect(countsOf(chosen)).toEqual(urls.map((url) => (url === long.endpoint.url ? 0 : 2)));
    expect(long).toMatchObject({ rule: "load", reason: "least load: 0 waiting, 0 decoding" });
  });

  test("counts answers that stream", () => {
    const { send } = startPolicy("leastload");
    const chosen = Array.from({ length: 40 }, () => {
      const plan = send(promptAt("hi"), four);
      plan.watcher?.streamBegan(1);
      return plan.endpoint.url;
    });
    expect(countsOf(chosen)).toEqual([10, 10, 10, 10]);
  });
});

describe("poweroftwo", () => {
  test("takes the better of two: the worst engine of all never, and all others at some time", () => {
    const { send } = startPolicy("poweroftwo");
    const first = send(promptAt(text("x", 100_000)), four).endpoint.url;
    const chosen = Array.from({ length: 60 }, () => {
      const plan = send(promptAt("hi"), four);
      answer(plan);
      return plan.endpoint.url;
    });
    expect(chosen).not.toContain(first);
    expect(new Set(chosen).size).toBe(3);
  });

  test("has one choice where there is one engine", () => {
    const { send } = startPolicy("poweroftwo");
    expect(send(promptAt("hi"), candidatesAt(["http://a"])).endpoint.url).toBe("http://a");
  });
});

describe("loadaware", () => {
  const prompt = promptAt(text("x", 8192));

  test("stays with the cache until the engine's load beyond the mean outweighs it", () => {
    const { send } = startPolicy("loadaware");
    const first = send(prompt, four);
    answer(first);
    const chosen = Array.from({ length: 4 }, () => send(prompt, four));
    // All cached is worth 1; with one request the load beyond the mean is 0.75, with two 1.5 against -0.5.
    expect(chosen.map(({ endpoint }) => endpoint.url === first.endpoint.url)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(chosen.slice(0, 3).map(({ rule }) => rule)).toEqual(["prefix", "prefix", "spread"]);
    expect(first.rule).toBe("cold");
  });

  test("is told by beta what load is worth", () => {
    const { send } = startPolicy("loadaware", { loadAwareBeta: 0 });
    const first = send(prompt, four);
    const chosen = Array.from({ length: 20 }, () => send(prompt, four).endpoint.url);
    expect(new Set(chosen)).toEqual(new Set([first.endpoint.url]));
  });
});
