import { describe, expect, test } from "bun:test";
import type { ErrorEvent } from "@sentry/bun";
import fc from "fast-check";
import { redact, scrubEvent, scrubTransaction } from "../../../src/features/sentry/scrub.ts";

describe("a text in a report", () => {
  test.each([
    ['JSON Parse error: Unexpected identifier "my prompt"', "JSON Parse error: Unexpected identifier [...]"],
    ['unterminated "my prompt', "unterminated [...]"],
    ['escaped "a\\"b" c', "escaped [...] c"],
    ["a template `my prompt` here", "a template [...] here"],
    ["http://user:pass@host/path", "http://[...]host/path"],
    ["sent Bearer sk-123 and basic QWxhZGRpbg==", "sent [...] and [...]"],
    ["the key is k-1, twice k-1", "the key is [secret], twice [secret]"],
    ["undefined is not an object (evaluating 'a.b')", "undefined is not an object (evaluating 'a.b')"],
  ])("%s becomes %s", (text, expected) => {
    expect(redact(text, ["k-1"])).toBe(expected);
  });

  test("is cut, and never holds a secret or half of one", () => {
    const secret = "canary-0123456789";
    fc.assert(
      fc.property(fc.string({ maxLength: 1200 }), fc.string({ maxLength: 1200 }), (before, after) => {
        const text = redact(`${before}${secret}${after}`, [secret]);
        expect(text).not.toContain("canary");
        expect(text.length).toBeLessThanOrEqual(503);
      }),
    );
  });
});

test("an event keeps what is named, and nothing else", () => {
  const event: ErrorEvent = {
    type: undefined,
    event_id: "1",
    release: "vllm-router@1",
    tags: { routing_logic: "roundrobin" },
    request: { data: "canary", headers: { authorization: "canary" }, url: "http://canary" },
    user: { ip_address: "canary" },
    breadcrumbs: [{ message: "canary" }],
    extra: { body: "canary" },
    message: "canary",
    contexts: { runtime: { name: "bun" }, canary: { canary: 1 } },
    exception: {
      values: [
        {
          type: "TypeError",
          value: 'bad "canary"',
          mechanism: { type: "generic", handled: false, data: { canary: "canary" } },
          stacktrace: {
            frames: [
              { filename: "a.ts", function: "f", lineno: 1, vars: { canary: 1 }, context_line: "canary" },
            ],
          },
        },
      ],
    },
  };
  const kept = scrubEvent(event, []);
  expect(JSON.stringify(kept)).not.toContain("canary");
  expect(kept).toEqual({
    type: undefined,
    event_id: "1",
    release: "vllm-router@1",
    tags: { routing_logic: "roundrobin" },
    contexts: { runtime: { name: "bun" } },
    exception: {
      values: [
        {
          type: "TypeError",
          value: "bad [...]",
          mechanism: { type: "generic", handled: false },
          stacktrace: { frames: [{ filename: "a.ts", function: "f", lineno: 1 }] },
        },
      ],
    },
  });
});

test("a trace keeps what is named, and nothing else", () => {
  const kept = {
    type: "transaction" as const,
    transaction: "POST /v1/completions",
    start_timestamp: 1,
    timestamp: 2,
    release: "vllm-router@1",
    spans: [],
    contexts: { trace: { trace_id: "1", span_id: "2" } },
  };
  const added = { request: { url: "http://canary" }, user: { id: "canary" }, extra: { canary: 1 } };
  const contexts = { ...kept.contexts, canary: { canary: 1 } };
  const sent: unknown = scrubTransaction({ ...kept, ...added, contexts });
  expect(sent).toEqual(kept);
});
