import { expect, test } from "bun:test";
import fc from "fast-check";
import { roundRobin } from "../../src/routing/round-robin.ts";
import type { Candidates } from "../../src/routing/policy.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";

const take = async (policy: ReturnType<typeof roundRobin.create>, candidates: Candidates, count: number) => {
  const urls: string[] = [];
  for (let index = 0; index < count; index += 1) {
    urls.push((await policy.plan(requestWith(), candidates)).endpoint.url);
  }
  return urls;
};

test("starts at the lexicographically first url and goes round, whatever the discovery order", async () => {
  const urls = await take(roundRobin.create(), candidatesAt(["http://c", "http://a", "http://b"]), 4);
  expect(urls).toEqual(["http://a", "http://b", "http://c", "http://a"]);
});

test("keeps a turn for each set of urls, also when the set comes as a new array", async () => {
  const policy = roundRobin.create();
  expect(await take(policy, candidatesAt(["http://a", "http://b"]), 1)).toEqual(["http://a"]);
  expect(await take(policy, candidatesAt(["http://a", "http://b", "http://c"]), 2)).toEqual([
    "http://a",
    "http://b",
  ]);
  expect(await take(policy, candidatesAt(["http://b", "http://a"]), 1)).toEqual(["http://b"]);
});

test("collapses duplicate urls", async () => {
  expect(await take(roundRobin.create(), candidatesAt(["http://a", "http://a", "http://b"]), 4)).toEqual([
    "http://a",
    "http://b",
    "http://a",
    "http://b",
  ]);
});

test("spreads any number of requests over any set within one of each other", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.webUrl(), { minLength: 1, maxLength: 20 }),
      fc.nat(100),
      async (urls, count) => {
        const counts = new Map(urls.map((url) => [url, 0]));
        for (const url of await take(roundRobin.create(), candidatesAt(urls), count)) {
          counts.set(url, (counts.get(url) ?? 0) + 1);
        }
        expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("remembers a bounded number of sets", async () => {
  const policy = roundRobin.create();
  const pair = ["http://a", "http://b"];
  await take(policy, candidatesAt(pair), 1);
  for (let index = 0; index < 1024; index += 1) await take(policy, candidatesAt([`http://${index}`]), 1);
  expect(await take(policy, candidatesAt(pair), 1)).toEqual(["http://a"]);
});
