import { expect, test } from "bun:test";
import fc from "fast-check";
import { createQuietRequests } from "../../src/routing/quiet-requests.ts";

test("prompts count as computed when they are due, until their requests end", () => {
  const quiet = createQuietRequests();
  const first = quiet.add(10, 100);
  const second = quiet.add(20, 1000);
  expect([quiet.computedBy(9), quiet.computedBy(10), quiet.computedBy(25)]).toEqual([0, 100, 1100]);
  first[Symbol.dispose]();
  expect(quiet.computedBy(26)).toBe(1000);
  second[Symbol.dispose]();
  expect(quiet.computedBy(27)).toBe(0);
});

test("a request that ends before it is due, or twice, leaves nothing behind", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ dueAt: fc.nat(50), endAt: fc.nat(50), tokens: fc.nat(1000) })),
      (all) => {
        const quiet = createQuietRequests();
        const sorted = all.toSorted((left, right) => left.dueAt - right.dueAt);
        const requests = sorted.map(({ dueAt, endAt, tokens }) => ({
          dueAt,
          endAt,
          tokens,
          handle: quiet.add(dueAt, tokens),
        }));
        for (let at = 0; at <= 50; at += 1) {
          for (const { endAt, handle } of requests) if (endAt <= at) handle[Symbol.dispose]();
          const expected = requests
            .filter(({ dueAt, endAt }) => dueAt <= at && endAt > at)
            .reduce((sum, { tokens }) => sum + tokens, 0);
          expect(quiet.computedBy(at)).toBe(expected);
        }
        expect(quiet.computedBy(1000)).toBe(0);
      },
    ),
  );
});
