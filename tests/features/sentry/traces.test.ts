import { describe, expect, test } from "bun:test";
import type { RequestTrace } from "../../../src/core/request-trace.ts";
import { createTraces } from "../../../src/features/sentry/traces.ts";
import { createTestClock } from "../../support/clock.ts";
import { type FakeSentry, startFakeSentry } from "../../support/sentry.ts";

const ROUTE = "POST /v1/chat/completions";
const EPOCH_S = 1_700_000_000;

/** Traces of a part of all requests, whose next draw is given. */
const start = (sentry: FakeSentry, { rate = 1, draw = (): number => 0.5 } = {}) => {
  const clock = createTestClock(EPOCH_S * 1000);
  const traces = createTraces(
    { dsn: sentry.dsn, release: "vllm-router@1.2.3", tags: { routing_logic: "session" }, secrets: [], rate },
    { clock, random: draw },
  );
  return { clock, traces, [Symbol.asyncDispose]: traces[Symbol.asyncDispose] };
};

const sampled = (trace: RequestTrace | undefined): RequestTrace => {
  if (!trace) throw new Error("the request was not sampled");
  return trace;
};

describe("the trace of a request", () => {
  test("is one transaction with its route, model and times, and a span for each attempt", async () => {
    await using sentry = startFakeSentry();
    await using given = start(sentry);
    const { clock, traces } = given;
    clock.advance(1000);
    const trace = sampled(traces.sample(400));
    trace.routed(ROUTE);
    const first = trace.attempt("e-1", "m");
    first.began();
    clock.advance(100);
    first.ended("failed", 100, false);
    const second = trace.attempt("e-2", "m");
    clock.advance(250);
    second.streamBegan(250);
    trace.answered(200);
    clock.advance(650);
    second.tokens({ input: 7, output: 3 });
    expect(sentry.bodies).toEqual([]);
    second.ended("done", 900, true);
    const [sent] = await sentry.transactions(1);
    expect(sent).toMatchObject({
      transaction: ROUTE,
      transaction_info: { source: "route" },
      release: "vllm-router@1.2.3",
      tags: { routing_logic: "session" },
      start_timestamp: EPOCH_S + 0.4,
      timestamp: EPOCH_S + 2,
      contexts: {
        trace: {
          op: "http.server",
          status: "ok",
          data: { "gen_ai.request.model": "m", "http.response.status_code": 200 },
        },
      },
    });
    expect(sent?.spans).toMatchObject([
      {
        description: "e-1",
        status: "unavailable",
        start_timestamp: EPOCH_S + 1,
        timestamp: EPOCH_S + 1.1,
        data: {},
      },
      {
        description: "e-2",
        status: "ok",
        start_timestamp: EPOCH_S + 1.1,
        timestamp: EPOCH_S + 2,
        data: {
          time_to_first_token_ms: 250,
          "gen_ai.usage.input_tokens": 7,
          "gen_ai.usage.output_tokens": 3,
        },
      },
    ]);
    const { trace_id: id, span_id: parent } = sent?.contexts?.trace ?? {};
    expect([id, parent].map((each) => each?.length)).toEqual([32, 16]);
    for (const span of sent?.spans ?? [])
      expect([span.trace_id, span.parent_span_id]).toEqual([id ?? "", parent ?? ""]);
  });

  test.each<[string, number, "done" | "failed" | "client_closed" | undefined, string]>([
    ["was refused before an engine was asked", 404, undefined, "not_found"],
    ["found no engine", 503, undefined, "unavailable"],
    ["met a defect", 500, undefined, "internal_error"],
    ["lost its client before the answer", 499, "client_closed", "cancelled"],
    ["lost its client in the middle of a stream", 200, "client_closed", "cancelled"],
    ["lost its engine in the middle of a stream", 200, "failed", "unavailable"],
    ["was answered by the engine with an error", 400, "done", "invalid_argument"],
  ])("that %s says so", async (_what, status, outcome, expected) => {
    await using sentry = startFakeSentry();
    await using given = start(sentry);
    const trace = sampled(given.traces.sample(0));
    trace.routed(ROUTE);
    const watcher = outcome && trace.attempt("e-1", "m");
    trace.answered(status);
    if (outcome) watcher?.ended(outcome, 1, true);
    const [sent] = await sentry.transactions(1);
    expect(sent?.contexts?.trace?.status).toBe(expected);
  });

  test("keeps its times although the wall clock jumps", async () => {
    await using sentry = startFakeSentry();
    let jumped = 0;
    const clock = createTestClock(EPOCH_S * 1000);
    await using traces = createTraces(
      { dsn: sentry.dsn, release: "r", tags: {}, secrets: [], rate: 1 },
      { clock: { ...clock, now: () => clock.now() + jumped }, random: () => 0 },
    );
    const trace = sampled(traces.sample(0));
    trace.routed(ROUTE);
    jumped = -3_600_000;
    clock.advance(50);
    trace.answered(200);
    const [sent] = await sentry.transactions(1);
    expect([sent?.start_timestamp, sent?.timestamp]).toEqual([EPOCH_S, EPOCH_S + 0.05]);
  });

  test("is sent only where the request is one for engines", async () => {
    await using sentry = startFakeSentry();
    const given = start(sentry);
    sampled(given.traces.sample(0)).answered(200);
    await given[Symbol.asyncDispose]();
    expect(sentry.bodies).toEqual([]);
  });
});

test("requests are traced as often as the rate says", async () => {
  await using sentry = startFakeSentry();
  let draw = 0;
  await using given = start(sentry, { rate: 0.25, draw: () => draw });
  const isSampled = (): boolean => given.traces.sample(0) !== undefined;
  const drawn = [0, 0.2499, 0.25, 0.99].map((next) => {
    draw = next;
    return isSampled();
  });
  expect(drawn).toEqual([true, true, false, false]);
});

test("a Sentry that never answers gets a few traces, and then no request is traced", async () => {
  await using sentry = startFakeSentry({ silent: true });
  await using given = start(sentry);
  let traced = 0;
  for (let index = 0; index < 100; index += 1) {
    const trace = given.traces.sample(0);
    if (!trace) continue;
    traced += 1;
    trace.routed(ROUTE);
    trace.answered(200);
    await Bun.sleep(0);
  }
  await sentry.transactions(8);
  expect(traced).toBe(8);
});
