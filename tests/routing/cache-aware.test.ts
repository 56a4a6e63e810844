import { describe, expect, test } from "bun:test";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { answer, promptAt, startPolicy } from "./planned.ts";

const urls = ["http://a", "http://b", "http://c", "http://d"];
const four = candidatesAt(urls);
/** About a second of an engine of 8,000 tokens a second. */
const LONG = 32_000;
const text = (name: string, bytes = LONG): string => `${name} `.repeat(bytes).slice(0, bytes);

const start = () => startPolicy("cacheaware");

describe("the engine is that", () => {
  test("which holds the longest prefix, while it has little to do", () => {
    const { send } = start();
    const first = send(promptAt(text("system") + text("one", 4000)), four);
    answer(first, 1000);
    const second = send(promptAt(text("system") + text("two", 4000), 10_000), four);
    expect(second).toMatchObject({ endpoint: first.endpoint, rule: "prefix" });
    expect(second.reason).toMatch(/^\d+ of 9000 tokens cached, 0 ms queue, \d+ ms to compute/);
    answer(second, 200);
    expect(send(promptAt(text("other"), 11_000), four)).toMatchObject({ rule: "cold" });
  });

  test("which computes the prefix, when it comes a second time at once", () => {
    const { send } = start();
    // A fleet in which nobody goes on.
    for (let at = 0; at < 20_000; at += 1000) answer(send(promptAt(text(`${at}`, 1000), at), four), 30);
    const first = send(promptAt(text("system"), 60_000), four);
    expect(send(promptAt(text("system"), 60_000), four).endpoint).toEqual(first.endpoint);
  });

  test("which is free, when waiting for the prefix takes longer than to compute it", () => {
    const { send } = start();
    const first = send(promptAt(text("system", 4000)), four);
    answer(first, 200);
    const alone = candidatesAt([first.endpoint.url]);
    for (let index = 0; index < 10; index += 1) send(promptAt(text(`${index}`), 1000), alone);
    expect(send(promptAt(text("system", 4000), 1000), four)).toMatchObject({ rule: "spread" });
  });

  test("which has fewer streams, among those that hold nothing", () => {
    const { send } = start();
    const counts = new Map<string, number>();
    for (let index = 0; index < 80; index += 1) {
      const { endpoint, watcher } = send(promptAt(`${index}${"x".repeat(3000)}`, index), four);
      watcher?.streamBegan(100);
      counts.set(endpoint.url, (counts.get(endpoint.url) ?? 0) + 1);
    }
    expect([...counts.values()].every((count) => count === 20)).toBe(true);
  });
});

test("a hot prefix spreads over the fleet, and its requests stay even", () => {
  const { send } = start();
  const chosen = Array.from({ length: 400 }, (_, at) =>
    send(promptAt(text("system", 4000) + text(`${at}`, 4000), at), four),
  );
  const counts = urls.map((url) => chosen.filter(({ endpoint }) => endpoint.url === url).length);
  expect(Math.max(...counts) / 100).toBeLessThan(1.1);
  // Each engine computes it once, and no more.
  expect(chosen.filter(({ rule }) => rule !== "prefix").length).toBeLessThan(20);
});

test("an engine that is slower gets less, as far as it is known to be", () => {
  const { send } = start();
  const open: { readonly endAt: number; readonly end: () => void }[] = [];
  const counts = new Map<string, number>();
  const freeAt = new Map<string, number>();
  for (let at = 0; at < 200_000; at += 100) {
    for (const entry of open.filter(({ endAt }) => endAt <= at)) {
      entry.end();
      open.splice(open.indexOf(entry), 1);
    }
    const plan = send(promptAt(`${at}${"x".repeat(4000)}`, at), four);
    const { url } = plan.endpoint;
    const endAt = Math.max(at, freeAt.get(url) ?? 0) + (url === "http://a" ? 800 : 125);
    freeAt.set(url, endAt);
    open.push({ endAt, end: () => answer(plan, endAt - at) });
    counts.set(url, (counts.get(url) ?? 0) + 1);
  }
  const mean = (2000 - (counts.get("http://a") ?? 0)) / 3;
  expect((counts.get("http://a") ?? 0) / mean).toBeLessThan(0.35);
});

test("an engine that nobody asks since it was slow is asked again, and gets its share when it is no longer", () => {
  const { send } = start();
  const asked: number[] = [];
  for (let at = 0; at < 900_000; at += 1000) {
    const plan = send(promptAt(`${at}${"x".repeat(4000)}`, at), four);
    const isFirst = plan.endpoint.url === "http://a";
    if (isFirst) asked.push(at);
    answer(plan, isFirst && at < 30_000 ? 900 : 125);
  }
  const between = (from: number, to: number): number => asked.filter((at) => at >= from && at < to).length;
  expect(between(30_000, 60_000)).toBeLessThan(3);
  expect(between(600_000, 900_000)).toBeWithin(50, 100);
});

test("an engine that has fallen silent is passed over, and comes back when it speaks", () => {
  const { send } = start();
  const silent = send(promptAt(text("system")), four);
  const later = send(promptAt(text("system"), 30_000), four);
  expect(later).toMatchObject({ rule: "spread" });
  answer(later, 1000);
  answer(silent, 32_000);
  const again = Array.from({ length: 12 }, (_, at) => send(promptAt(text(`${at}`), 40_000), four));
  expect(again.map(({ endpoint }) => endpoint.url)).toContain(silent.endpoint.url);
});

test("an answer that does not stream makes no engine silent, and an embedding teaches its speed", () => {
  const { send } = start();
  const body = { input: text("embed") };
  const first = send(requestWith({ body, at: 0 }), four);
  const second = send(requestWith({ body, at: 60_000 }), four);
  expect(second.endpoint).toEqual(first.endpoint);
  for (const { watcher } of [first, second]) {
    watcher?.tokens({ input: 8000, output: 0 });
    watcher?.ended("done", 4000, false);
  }
  for (let index = 0; index < 50; index += 1) {
    const plan = send(requestWith({ body: { input: text(`${index}`) }, at: 100_000 + index * 10_000 }), four);
    plan.watcher?.tokens({ input: 8000, output: 0 });
    plan.watcher?.ended("done", 4000, false);
  }
  const { reason } = send(requestWith({ body: { input: text("new") }, at: 1e6 }), four);
  expect(Number(/(\d+) ms to compute/.exec(reason)?.[1])).toBeWithin(3000, 4500);
});
