import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPolicy, policies, type RoutingLogic } from "../../src/routing/index.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";

const logics = Object.keys(policies) as RoutingLogic[];
const config = (logic: RoutingLogic) => ({ logic, options: { sessionKey: "x-user-id" } });

describe.each(logics)("every policy: %s", (logic) => {
  test("is registered under its own name with a summary", () => {
    expect(policies[logic].name).toBe(logic);
    expect(policies[logic].summary).not.toBe("");
  });

  test("chooses one of the candidates, whatever the request and the load", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.webUrl(), { minLength: 1, maxLength: 12 }),
        fc.option(fc.string()),
        fc.option(fc.double({ min: 0, noNaN: true })),
        async (urls, sessionId, qps) => {
          const policy = createPolicy(config(logic), { random: () => 0.5 });
          const candidates = candidatesAt(urls, { [urls[0] ?? ""]: { qps: qps ?? undefined } });
          const request = requestWith(sessionId === null ? {} : { body: { "x-user-id": sessionId } });
          const plan = await policy.plan(request, candidates);
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
      const plan = await policy.plan(requestWith({ headers: { "x-user-id": "u" } }), candidates);
      expect(urls).toContain(plan.endpoint.url);
    }
  });

  test("gives no reason that quotes the client", async () => {
    const plan = await createPolicy(config(logic), { random: () => 0.5 }).plan(
      requestWith({ headers: { "x-user-id": "canary-7f" } }),
      candidatesAt(["http://a", "http://b"]),
    );
    expect(plan.reason).not.toContain("canary");
  });
});
