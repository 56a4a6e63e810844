import { expect, test } from "bun:test";
import { verdictOf } from "../../src/health/verdict.ts";

test.each([
  [200, {}, "answered"],
  [400, {}, "answered"],
  [404, { "retry-after": "1" }, "answered"],
  [429, {}, "refused"],
  [529, {}, "refused"],
  [503, { "retry-after": "1" }, "refused"],
  [503, {}, { reason: "it answered 503", isUnreachable: false }],
  [500, { "retry-after": "1" }, { reason: "it answered 500", isUnreachable: false }],
  [501, {}, "answered"],
] as const)("status %p with %p says of an engine: %p", (status, headers, verdict) => {
  expect(verdictOf(status, new Headers(headers))).toEqual(verdict);
});
