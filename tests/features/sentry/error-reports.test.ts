import { expect, test } from "bun:test";
import { createErrorReports } from "../../../src/features/sentry/error-reports.ts";
import { createTestClock } from "../../support/clock.ts";
import { startFakeSentry } from "../../support/sentry.ts";

const start = (dsn: string, clock = createTestClock()) =>
  createErrorReports(
    { dsn, release: "vllm-router@1.2.3", tags: { routing_logic: "session" }, secrets: ["canary-key"] },
    { clock },
  );

test("an error arrives with its release, its tags and its causes", async () => {
  await using sentry = startFakeSentry();
  await using reports = start(sentry.dsn);
  reports.report(new TypeError("outer", { cause: new Error('inner "canary" canary-key') }));
  const [event] = await sentry.events(1);
  expect(event).toMatchObject({ release: "vllm-router@1.2.3", tags: { routing_logic: "session" } });
  expect(event?.exception?.values.map(({ type, value }) => [type, value])).toEqual([
    ["Error", "inner [...] [secret]"],
    ["TypeError", "outer"],
  ]);
  expect(sentry.bodies.join("")).not.toContain("canary");
});

test("what is no error arrives too", async () => {
  await using sentry = startFakeSentry();
  await using reports = start(sentry.dsn);
  reports.report("just a text");
  reports.report(undefined);
  const events = await sentry.events(2);
  expect(events.map(({ exception }) => exception?.values[0]?.value)).toEqual(["just a text", "undefined"]);
});

test("the same error is sent again only after ten minutes", async () => {
  const clock = createTestClock();
  await using sentry = startFakeSentry();
  const reports = start(sentry.dsn, clock);
  const fail = () => reports.report(new Error("again"));
  fail();
  clock.advance(599_999);
  fail();
  clock.advance(1);
  fail();
  await reports[Symbol.asyncDispose]();
  expect(sentry.bodies).toHaveLength(2);
});

test("a Sentry that never answers gets a few reports, and does not hold up the end", async () => {
  await using sentry = startFakeSentry({ silent: true });
  const reports = start(sentry.dsn);
  for (let index = 0; index < 1000; index += 1) reports.report(new Error(`number ${index}`));
  await sentry.events(8);
  const startedAt = performance.now();
  await reports[Symbol.asyncDispose]();
  expect(performance.now() - startedAt).toBeWithin(0, 3000);
  expect(sentry.bodies).toHaveLength(8);
});

test("a Sentry that is not there costs nothing but the attempt", async () => {
  const dead = startFakeSentry();
  await dead[Symbol.asyncDispose]();
  const reports = start(dead.dsn);
  reports.report(new Error("lost"));
  await reports[Symbol.asyncDispose]();
  expect(dead.bodies).toEqual([]);
});
