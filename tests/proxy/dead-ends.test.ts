import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { createDeadEnds } from "../../src/proxy/dead-ends.ts";
import { failing, start, whole } from "./started-forward.ts";

const engine: Endpoint = { id: "e", url: "http://e", models: ["m"], addedAt: 0 };

describe("an engine is a dead end", () => {
  test("from a connection that failed until it answers", () => {
    const deadEnds = createDeadEnds();
    expect(deadEnds.has(engine, 0)).toBe(false);
    deadEnds.found(engine, 0);
    expect(deadEnds.has(engine, 4_999)).toBe(true);
    deadEnds.answered(engine);
    expect(deadEnds.has(engine, 4_999)).toBe(false);
  });

  test("for five seconds, unless it is found one again", () => {
    const deadEnds = createDeadEnds();
    deadEnds.found(engine, 0);
    expect(deadEnds.has(engine, 5_000)).toBe(false);
    deadEnds.found(engine, 5_000);
    expect(deadEnds.has(engine, 9_999)).toBe(true);
  });
});

describe("where every engine loses its connections", () => {
  test.each(["ECONNREFUSED", "ECONNRESET"])(
    "%s costs one connection a request, but for the budget of further attempts",
    async (code) => {
      const { send, sent } = start({
        engines: [failing(code), failing(code), failing(code)],
        maxAttempts: 3,
      });
      // No request reaches a third engine after it was lost on two.
      for (let request = 0; request < 3; request += 1) await send();
      sent.length = 0;
      for (let request = 0; request < 100; request += 1) await send();
      expect(sent.length).toBeLessThanOrEqual(100 + 10);
    },
  );
});

test("a connection that is lost is made anew again once its engine has answered", async () => {
  let turn = 0;
  const flaky = async () => ((turn += 1) === 3 ? whole() : failing("ECONNRESET")());
  const { send, sent } = start({ engines: [flaky] });
  await send();
  expect(sent).toHaveLength(2);
  await send();
  expect(sent).toHaveLength(3);
  await send();
  expect(sent).toHaveLength(5);
});
