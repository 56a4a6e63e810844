import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHashRing } from "../../src/routing/hash-ring.ts";
import { session } from "../../src/routing/session.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";

const three = ["http://localhost:8001", "http://localhost:8002", "http://localhost:8003"];
const policyFor = (sessionKey = "x-user-id") => session.create({ sessionKey });
const chosen = async (policy: ReturnType<typeof policyFor>, request = requestWith(), urls = three) =>
  (await policy.plan(request, candidatesAt(urls))).endpoint.url;

describe("golden vectors of the reference", () => {
  test.each([
    ["abc123", 8002],
    ["user-1", 8001],
    ["user-2", 8002],
    ["user-3", 8001],
    ["42", 8003],
    ["", 8003],
    ["日本", 8002],
    ["session5", 8001],
  ])("session %p goes to port %p", async (id, port) => {
    expect(await chosen(policyFor(), requestWith({ body: { "x-user-id": id } }))).toBe(
      `http://localhost:${port}`,
    );
  });

  test("two engines", async () => {
    const urls = ["http://engine1.com", "http://engine2.com"];
    expect(await chosen(policyFor(), requestWith({ body: { "x-user-id": "abc123" } }), urls)).toBe(
      "http://engine1.com",
    );
  });
});

test("the header wins over the body field, ignoring its case, and is reported", async () => {
  const request = requestWith({ headers: { "X-User-ID": "user-1" }, body: { "x-user-id": "user-2" } });
  const plan = await policyFor().plan(request, candidatesAt(three));
  expect(plan).toMatchObject({ sessionId: "user-1", endpoint: { url: "http://localhost:8001" } });
});

test("a number in the body counts as its digits", async () => {
  expect(await chosen(policyFor("user"), requestWith({ body: { user: 42 } }))).toBe("http://localhost:8003");
});

test.each([[null], [{ id: 1 }], [["a"]], [true]])("a body field %j is no session id", async (value) => {
  const plan = await policyFor("user").plan(requestWith({ body: { user: value } }), candidatesAt(three));
  expect(plan.sessionId).toBeUndefined();
});

test.each(["", "user id", "é"])("a key %p that is no header name still names a body field", async (key) => {
  const plan = await policyFor(key).plan(requestWith({ body: { [key]: "user-1" } }), candidatesAt(three));
  expect(plan.sessionId).toBe("user-1");
});

test("without a session id: first an engine that had no request, then the lowest rate, first wins a tie", async () => {
  const policy = policyFor();
  const withRates = (rates: readonly (number | undefined)[]) =>
    candidatesAt(three, Object.fromEntries(three.map((url, index) => [url, { qps: rates[index] }])));
  const urlFor = async (...rates: (number | undefined)[]) =>
    (await policy.plan(requestWith(), withRates(rates))).endpoint.url;
  expect(await urlFor(1, undefined, 0)).toBe("http://localhost:8002");
  expect(await urlFor(3, 2, 1)).toBe("http://localhost:8003");
  expect(await urlFor(2, 1, 1)).toBe("http://localhost:8002");
});

test("an engine that leaves moves only its own sessions, and they come back with it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.string(), { minLength: 20, maxLength: 60 }), async (ids) => {
      const policy = policyFor();
      for (const id of ids) {
        const request = requestWith({ body: { "x-user-id": id } });
        const before = await chosen(policy, request);
        const without = await chosen(policy, request, three.slice(0, 2));
        if (before !== "http://localhost:8003") expect(without).toBe(before);
        expect(await chosen(policy, request)).toBe(before);
      }
    }),
    { numRuns: 20 },
  );
});

test("skipping the points of a node equals a ring without it", () => {
  const whole = createHashRing(three);
  const part = createHashRing(three.slice(1));
  for (let index = 0; index < 500; index += 1) {
    expect(whole.find(`key-${index}`, (node) => part.nodes.has(node))).toBe(
      part.find(`key-${index}`, () => true) ?? "",
    );
  }
});

test("a ring is kept for a model while engines come and go below half of it", async () => {
  const many = Array.from({ length: 40 }, (_, index) => `http://engine-${index}`);
  const policy = policyFor();
  const request = requestWith({ headers: { "x-user-id": "u" } });
  await policy.plan(request, candidatesAt(many));
  const begin = performance.now();
  for (let gone = 0; gone < 40; gone += 1) {
    await policy.plan(request, candidatesAt(many.filter((_, index) => index !== gone)));
  }
  const subsets = performance.now() - begin;
  const rebuild = performance.now();
  for (let index = 0; index < 40; index += 1) createHashRing(many);
  expect(subsets).toBeLessThan((performance.now() - rebuild) / 4);
});
