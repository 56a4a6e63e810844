import { expect, test } from "bun:test";
import { verdictOf } from "../../src/health/verdict.ts";

test.each([
  [200, {}, "answered"],
  [400, {}, "answered"],
  [404, { "retry-after": "1" }, "answered"],
  [429, {}, { busyMs: 1000 }],
  [429, { "retry-after": "7" }, { busyMs: 7000 }],
  [429, { "retry-after": "3600" }, { busyMs: 60_000 }],
  [429, { "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT" }, { busyMs: 1000 }],
  [529, {}, { busyMs: 1000 }],
  [503, { "retry-after": "1" }, { busyMs: 1000 }],
  [503, {}, { reason: "it answered 503", isUnreachable: false }],
  [500, { "retry-after": "1" }, { reason: "it answered 500", isUnreachable: false }],
  [501, {}, "ended"],
] as const)("status %p with %p says of an engine: %p", (status, headers, verdict) => {
  expect(verdictOf({ status, headers: { ...headers }, isEmpty: false })).toEqual(verdict);
});

test("an answer of 200 without anything is none", () => {
  const headers = {};
  const nothing = { reason: "it answered with nothing", isUnreachable: false };
  expect(verdictOf({ status: 200, headers, isEmpty: true })).toEqual(nothing);
  expect(verdictOf({ status: 204, headers, isEmpty: true })).toBe("answered");
  expect(verdictOf({ status: 404, headers, isEmpty: true })).toBe("answered");
});
