import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPolicy, policies, routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { startPolicy } from "./planned.ts";
import { singlePlan } from "../support/single-plan.ts";

const logics = Object.keys(policies) as RoutingLogic[];
const config = (logic: RoutingLogic) => routingBy(logic, { sessionKey: "x-user-id" });

describe.each(logics)("every policy: %s", (logic) => {
  test("is registered under its own name with a summary", () => {
    expect(policies[logic].name).toBe(logic);
    expect(policies[logic].summary).not.toBe("");
  });

  test("chooses one of the candidates where no other engine prefills, whatever the request and the load", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.webUrl(), { minLength: 1, maxLength: 12 }),
        fc.option(fc.string()),
        fc.option(fc.double({ min: 0, noNaN: true })),
        async (urls, sessionId, qps) => {
          const policy = createPolicy(config(logic), { random: () => 0.5 });
          const candidates = candidatesAt(urls, { [urls[0] ?? ""]: { qps: qps ?? undefined } });
          const request = requestWith(sessionId === null ? {} : { body: { "x-user-id": sessionId } });
          const plan = singlePlan(await policy.plan(request, candidates));
          expect(urls).toContain(plan.endpoint.url);
          expect(plan.reason).not.toBe("");
        },
      ),
    );
  });

  test("does not change the candidates and keeps choosing when the set shrinks and grows", async () => {
    const policy = createPolicy(config(logic), { random: () => 0.5 });
    const all = ["http://a", "http://b", "http://c"];
    for (const urls of [all, ["http://b"], all, ["http://c", "http://a"], [...all, "http://d"]]) {
      const candidates = Object.freeze(candidatesAt(urls));
      const plan = singlePlan(await policy.plan(requestWith({ headers: { "x-user-id": "u" } }), candidates));
      expect(urls).toContain(plan.endpoint.url);
    }
  });

  test.each([
    ["a text", { prompt: "once upon a time ".repeat(100) }],
    ["several texts", { prompt: ["one".repeat(100), "two".repeat(100)] }],
    ["token ids", { prompt: Array.from({ length: 500 }, (_, id) => id) }],
    ["messages", { messages: [{ role: "user", content: [{ type: "text", text: "hi ".repeat(100) }] }] }],
    ["an input", { input: "embed me ".repeat(100) }],
    ["a query with documents", { query: "q", documents: ["d".repeat(500)] }],
    ["nothing, as for audio", undefined],
  ])("plans a request with %s, again and again, and leaves no work behind", async (_form, body) => {
    const policy = createPolicy(config(logic), { random: () => 0.5 });
    const candidates = candidatesAt(["http://a", "http://b", "http://c"]);
    const request = requestWith(body === undefined ? {} : { body });
    const plan = async () => singlePlan(await policy.plan(request, candidates));
    const first = await plan();
    for (const outcome of ["done", "failed", "refused", "client_closed"] as const) {
      const { watcher, endpoint } = await plan();
      expect(candidates.map((candidate) => candidate.endpoint)).toContain(endpoint);
      watcher?.began();
      if (outcome === "done") watcher?.streamBegan(5);
      watcher?.tokens({ input: 100, output: 1, cached: 10 });
      watcher?.ended(outcome, 10, outcome === "done");
    }
    policy.keepOnly?.(new Set());
    expect((await plan()).reason).not.toBe("");
    expect(first.rule).not.toBe("");
  });

  test("explains what it would do next, and does what it would have done unasked", async () => {
    const run = async (isAsked: boolean) => {
      const { plan, policy } = startPolicy(logic, { sessionKey: "x-user-id" });
      const candidates = candidatesAt(["http://a", "http://b", "http://c"]);
      const chosen: string[] = [];
      for (let turn = 0; turn < 60; turn += 1) {
        const prompt = `${"system ".repeat(200)} ${"question ".repeat(turn % 7)}`;
        const body = { prompt, stream: true, "x-user-id": `u${turn % 5}` };
        const request = requestWith({ body, at: 50 * turn });
        const explained = isAsked ? policy.explain?.(request, candidates) : undefined;
        const { endpoint, watcher } = plan(request, candidates);
        chosen.push(endpoint.url);
        if (explained?.standings) expect(explained.standings).toHaveLength(candidates.length);
        if (explained?.plan && !explained.standings)
          expect(singlePlan(explained.plan).endpoint).toBe(endpoint);
        watcher?.began();
        watcher?.streamBegan(20);
        watcher?.tokens({ input: 300, output: 3, cached: 100 });
        if (turn % 3 > 0) watcher?.ended("done", 40, true);
      }
      return chosen;
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("gives no reason that quotes the client", async () => {
    const plan = await createPolicy(config(logic), { random: () => 0.5 }).plan(
      requestWith({ headers: { "x-user-id": "canary-7f" }, body: { prompt: "canary ".repeat(200) } }),
      candidatesAt(["http://a", "http://b"]),
    );
    expect(plan.reason).not.toContain("canary");
  });
});
