import { expect, test } from "bun:test";
import { chunksOf } from "../../src/routing/prefix-aware.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { answer, promptAt, startPolicy } from "./planned.ts";

const three = candidatesAt(["http://a", "http://b", "http://c"]);
const start = (prefixMinMatchLength = 0) => startPolicy("prefixaware", { prefixMinMatchLength });

test("the golden vector of the reference: xxHash64 of 128 characters", () => {
  const { hashes, count } = chunksOf({ root: "", bytes: Buffer.from("x".repeat(128)) });
  expect([count, new BigUint64Array(hashes.buffer)[0]]).toEqual([1, 9_564_921_910_744_562_924n]);
});

test.each([
  ["ascii".repeat(100), [128, 256, 384, 500]],
  ["é".repeat(200), [256, 400]],
  ["日".repeat(128), [384]],
  [`${"a".repeat(127)}😀b`, [131, 132]],
  ["", []],
])("chunks are of 128 code points, the last one of what is left: %s", (text, ends) => {
  expect([...chunksOf({ root: "m", bytes: Buffer.from(text) }).ends]).toEqual(ends);
});

test.each(["a", "é", "😀"])("beyond 16,384 code points chunks are of 512: %s", (unit) => {
  const { length } = Buffer.from(unit);
  const { ends, count } = chunksOf({ root: "m", bytes: Buffer.from(unit.repeat(16_384 + 700)) });
  expect(count).toBe(130);
  expect([...ends.subarray(126)].map((end) => end / length)).toEqual([16_256, 16_384, 16_896, 17_084]);
});

test("a prompt of a million characters is told apart up to its end", () => {
  for (const unit of ["a", "é"]) {
    const { ends, count } = chunksOf({ root: "m", bytes: Buffer.from(unit.repeat(999_000)) });
    expect([count, ends.at(-1)]).toEqual([2048, Buffer.from(unit).length * 999_000]);
  }
});

test("prompts that share chunks go to one engine, groups spread", () => {
  const { send } = start();
  const groups = Array.from({ length: 6 }, (_group, group) => {
    const urls = Array.from({ length: 15 }, (_, at) => {
      const plan = send(promptAt(`${`${group}`.repeat(256)} question ${at}`), three);
      return plan.endpoint.url;
    });
    return new Set(urls);
  });
  expect(groups.map(({ size }) => size)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(groups.reduce((all, urls) => all.union(urls)).size).toBe(3);
});

test("below the threshold load decides, and the prompt is remembered all the same", () => {
  const { send } = start(257);
  const first = send(promptAt("x".repeat(256)), three);
  const second = send(promptAt("x".repeat(256)), three);
  expect([first.rule, second.rule]).toEqual(["cold", "cold"]);
  expect(second.endpoint.url).not.toBe(first.endpoint.url);
  answer(first);
  answer(second);
  const other = send(promptAt("y".repeat(300)), three);
  expect(send(promptAt("y".repeat(300)), three)).toMatchObject({ rule: "prefix", endpoint: other.endpoint });
});

test("the short last chunk counts as a whole one", () => {
  const { send } = start();
  const { endpoint } = send(promptAt("x".repeat(130)), three);
  const again = send(promptAt("x".repeat(130)), three);
  expect(again).toMatchObject({ endpoint, rule: "prefix" });
  expect(again.reason).toStartWith("prefix of 256 characters");
});

test("of engines that hold the prefix the one with the fewest requests answers", () => {
  const { send } = start(10_000);
  const chosen = Array.from({ length: 3 }, () => send(promptAt("x".repeat(256)), three));
  expect(new Set(chosen.map(({ endpoint }) => endpoint.url)).size).toBe(3);
});

test("an engine with far more requests than the idlest one is passed over", () => {
  const { send } = start();
  const plans = Array.from({ length: 60 }, () => send(promptAt("x".repeat(256)), three));
  expect(new Set(plans.map(({ endpoint }) => endpoint.url)).size).toBe(3);
  expect(plans[17]).toMatchObject({ rule: "spread" });
});

test("every form of prompt is told apart, and none is needed", () => {
  const { send } = start();
  const text = "y".repeat(200);
  const bodies = [
    { messages: [{ role: "user", content: [{ type: "text", text }] }] },
    { prompt: [text] },
    { prompt: Array.from({ length: 100 }, (_, at) => at) },
    { input: text },
    { query: text, documents: [text] },
  ];
  for (const body of bodies) {
    const [first, second] = [send(requestWith({ body }), three), send(requestWith({ body }), three)];
    expect(second).toMatchObject({ rule: "prefix", endpoint: first.endpoint });
  }
  expect(send(requestWith(), three).rule).toBe("cold");
});
