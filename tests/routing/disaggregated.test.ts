import { describe, expect, test } from "bun:test";
import { roleBy } from "../../src/routing/disaggregated.ts";
import { createPolicy, routingBy } from "../../src/routing/index.ts";
import type { Candidates, RoutePlan, RoutingRequest } from "../../src/routing/policy.ts";
import { candidatesAt } from "../support/candidates.ts";
import { singlePlan } from "../support/single-plan.ts";
import { answer, promptAt } from "./planned.ts";

const two = candidatesAt(["http://d1", "http://d2"]);
const long = "once upon a time ".repeat(400);

const start = () => {
  const policy = createPolicy(routingBy("disaggregated_prefill_orchestrated"), { random: () => 0.9 });
  const plan = (request: RoutingRequest, candidates: Candidates = two): RoutePlan => {
    const planned = policy.plan(request, candidates);
    if (planned instanceof Promise) throw new Error("it takes its time");
    return planned;
  };
  /** Plans the answer of a request and sends it. */
  const send = (request: RoutingRequest) => {
    const planned = singlePlan(plan(request));
    planned.watcher?.began();
    return planned;
  };
  return { policy, plan, send };
};

const divisible = (prompt: string): RoutingRequest => ({ ...promptAt(prompt), canPrefill: true });

describe("a label", () => {
  const roleOf = roleBy({ prefillModelLabels: ["prefill", "p"], decodeModelLabels: ["decode"] });

  test.each([
    ["prefill", "prefill"],
    ["p", "prefill"],
    ["decode", "decode"],
    ["pre", undefined],
    ["prefill-2", undefined],
    ["", undefined],
    [undefined, undefined],
  ] as const)("%p stands for %p", (label, role) => {
    expect(roleOf(label === undefined ? {} : { label })).toBe(role);
  });
});

test("a prompt that nobody holds is prefilled elsewhere, and answered by the engine with the least to do", () => {
  const { plan, send } = start();
  expect(plan(divisible(long))).toEqual({
    kind: "disaggregated",
    reason: "0 of 1700 tokens cached where it would be answered",
  });
  const first = send(promptAt(long));
  const second = send(promptAt("another"));
  expect(first).toMatchObject({ rule: "load", reason: "least load: 0 waiting, 0 decoding" });
  expect(second.endpoint).not.toBe(first.endpoint);
});

test("the engine that holds a prompt answers alone, until it has far more to do than the others", () => {
  const { plan, send } = start();
  const first = send(promptAt(long));
  answer(first);
  expect(plan(divisible(`${long} and then?`))).toMatchObject({
    kind: "single",
    endpoint: first.endpoint,
    rule: "held",
  });
  expect(plan(divisible(`${long}${"something new ".repeat(400)}`)).kind).toBe("disaggregated");
  // 200 tokens of a request, against a prompt of 1700.
  for (let streams = 0; streams < 20; streams += 1) {
    const next = plan(divisible(long));
    if (next.kind === "disaggregated") return expect(streams).toBe(9);
    expect(next.endpoint).toBe(first.endpoint);
    next.watcher?.began();
    next.watcher?.streamBegan(0);
  }
  throw new Error("it never had too much to do");
});

test("a short prompt is prefilled elsewhere, however often it comes", () => {
  const { plan, send } = start();
  answer(send(promptAt("Hello")));
  expect(plan(divisible("Hello")).kind).toBe("disaggregated");
});

test("what is gone is held no more", () => {
  const { policy, plan, send } = start();
  answer(send(promptAt(long)));
  policy.keepOnly?.(new Set());
  expect(plan(divisible(long)).kind).toBe("disaggregated");
});

test("prefills go where the prompt was computed before, and spread where none was", async () => {
  const { prefill } = start().policy;
  const engines = candidatesAt(["http://p1", "http://p2"]);
  const send = async (prompt: string) => {
    const planned = await prefill?.plan(promptAt(prompt), engines);
    planned?.watcher?.began();
    return planned?.endpoint.url;
  };
  const first = await send(long);
  expect(await send("something else ".repeat(400))).not.toBe(first);
  expect(await send(`${long} and then?`)).toBe(first);
});
