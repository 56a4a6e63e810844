import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { forwardedRoutes, passedThrough, passesThrough } from "../../src/http/routes.ts";

const fields =
  (given: Readonly<Record<string, unknown>>) =>
  (name: string): unknown =>
    given[name];

describe("what is in no table but passes to an engine", () => {
  test.each([
    "/v1/realtime2",
    "/v1/foo",
    "/v1/responses/resp_1/cancel",
    "/v1/models/org:7b",
    "/v1/a/b-c.d_e~f@g",
    "/v1/files2",
    "/v1/...",
  ])("%p", (path) => {
    expect(passesThrough(path)).toBe(true);
  });
});

describe("what does not", () => {
  test.each([
    ["/", "no route"],
    ["/v1", "no route"],
    ["/v1/", "no route"],
    ["/v1/foo/", "a trailing slash"],
    ["/v2/foo", "another version"],
    ["/v10/foo", "another version"],
    ["/x/v1/foo", "another prefix"],
    ["//v1/foo", "a doubled slash"],
    ["/v1//foo", "a doubled slash"],
    ["/v1/..", "a step up"],
    ["/v1/../sleep", "a step up"],
    ["/v1/a/../../sleep", "a step up"],
    ["/v1/./foo", "a step in place"],
    ["/v1/foo/.", "a step in place"],
    ["/v1/%2e%2e/sleep", "an escape"],
    ["/v1/foo%2fbar", "an escape"],
    ["/v1/foo\\bar", "a backslash"],
    ["/v1/foo?x", "a query"],
    ["/v1/foo#x", "a fragment"],
    ["/v1/foo;x", "a parameter"],
    ["/v1/foo bar", "a space"],
    ["/v1/foo\n", "a line break"],
    ["/v1/fóo", "other letters"],
    ["/v1/load_lora_adapter", "of one engine"],
    ["/v1/unload_lora_adapter", "of one engine"],
    ["/v1/load_lora_adapter/x", "of one engine"],
    ["/v1/realtime", "a socket"],
    ["/v1/files", "the router's own"],
    ["/v1/files/file-1/content", "the router's own"],
    ["/v1/batches", "the router's own"],
  ])("%p: %s", (path) => {
    expect(passesThrough(path)).toBe(false);
  });

  test("anything that another reader could take for another path, or that is withheld", () => {
    const piece = fc.constantFrom(
      "v1",
      "foo",
      ".",
      "..",
      "...",
      "",
      "%2e",
      "%2F",
      "\\",
      "load_lora_adapter",
      "unload_lora_adapter",
      "files",
      "batches",
      "realtime",
      "a:b",
      "?",
      "#",
      ";",
      " ",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const path = `/v1/${pieces.join("/")}`;
        if (!passesThrough(path)) return;
        // The same path to whoever parses it, appended to any engine's base URL.
        expect(new URL(`http://engine:8000/prefix${path}`).pathname).toBe(`/prefix${path}`);
        expect(decodeURIComponent(path)).toBe(path);
        expect(path).not.toMatch(/\/\/|\\|%|\/\.{1,2}(?:\/|$)|\/$/);
        expect(pieces[0]).not.toMatch(/^(?:(?:un)?load_lora_adapter|files|batches|realtime)$/);
      }),
      { numRuns: 5000 },
    );
  });

  test("no arbitrary text but a plain path below /v1", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        if (passesThrough(`/v1/${text}`)) expect(text).toMatch(/^[A-Za-z0-9._~:@/-]+$/);
        expect(passesThrough(text)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("whether sending a request twice is harmless", () => {
  test("is known of every path in the table, each of which is there once", () => {
    const keys = forwardedRoutes.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { path, isReplaySafe } of forwardedRoutes) {
      const isStored = path === "/v1/responses";
      expect([path, isReplaySafe(fields({}))]).toEqual([path, path !== "/invocations" && !isStored]);
    }
  });

  test("depends for responses on their being stored", () => {
    const responses = forwardedRoutes.find(({ path }) => path === "/v1/responses");
    expect(responses?.isReplaySafe(fields({ store: false }))).toBe(true);
    for (const store of [true, null, "false", 0])
      expect(responses?.isReplaySafe(fields({ store }))).toBe(false);
  });

  test("is not known of what only passes through, unless it only reads", () => {
    expect(passedThrough("POST", "/v1/foo").isReplaySafe(fields({}))).toBe(false);
    expect(passedThrough("GET", "/v1/foo").isReplaySafe(fields({}))).toBe(true);
  });
});
