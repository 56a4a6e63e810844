import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { requestIdOf } from "../../src/proxy/request-id.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const idOf = (given: string): string => requestIdOf(new Headers({ "x-request-id": given }));

describe("a request id", () => {
  test.each(["a", "req_1", "00-4bf92f3577b34da6a3ce929d0e0e4736-01", "!~{}\\\"'<>", "x".repeat(128)])(
    "%p is the client's",
    (given) => {
      expect(idOf(given)).toBe(given);
    },
  );

  test.each(["", "two words", "tab\there", "é", "x".repeat(129)])("%p is replaced by a new one", (given) => {
    expect(idOf(given)).toMatch(UUID);
  });

  test("is new for each request that has none", () => {
    const ids = Array.from({ length: 100 }, () => requestIdOf(new Headers()));
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) expect(id).toMatch(UUID);
  });

  test("is one token of visible ASCII, whatever is sent", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((text) => !/[\0\r\n\u0100-\uffff]/.test(text)),
        (given) => {
          expect(idOf(given)).toMatch(/^[\x21-\x7e]{1,128}$/);
        },
      ),
    );
  });
});
