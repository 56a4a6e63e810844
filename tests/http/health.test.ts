import { describe, expect, test } from "bun:test";
import type { EngineCounts } from "../../src/fleet/fleet.ts";
import { createHealthAnswers } from "../../src/http/health.ts";
import { startRouter } from "../support/router.ts";

/** The answers over engines and a state of the process that a test sets. */
const start = (initial: EngineCounts = { total: 3, healthy: 2, routable: 1, ejected: 0, starting: 0 }) => {
  let counts = initial;
  let draining = false;
  const answers = createHealthAnswers({ fleet: { counts: () => counts }, isDraining: () => draining });
  return {
    answers,
    become: (changed: EngineCounts) => (counts = changed),
    drain: () => (draining = true),
  };
};

const read = async (response: Response) => [response.status, await response.json()];

const none = { total: 3, healthy: 1, routable: 0, ejected: 0, starting: 0 };

describe("/health", () => {
  test("is the reference's liveness whatever the engines do, and counts them", async () => {
    const { answers, become, drain } = start();
    expect(await read(answers.health())).toEqual([
      200,
      { status: "healthy", endpoints: { total: 3, healthy: 2 } },
    ]);
    become(none);
    drain();
    expect(await read(answers.health())).toEqual([
      200,
      { status: "healthy", endpoints: { total: 3, healthy: 1 } },
    ]);
  });
});

describe("/livez", () => {
  test("is 200 for as long as the process answers", async () => {
    const { answers, become, drain } = start();
    become(none);
    drain();
    expect(await read(answers.livez())).toEqual([200, { status: "alive" }]);
  });
});

describe("/readyz", () => {
  test("says when to ask again while it is 503", () => {
    const { answers, become } = start();
    expect(answers.readyz(false).headers.get("retry-after")).toBeNull();
    become(none);
    expect(answers.readyz(false).headers.get("retry-after")).toBe("5");
  });

  test("is 503 while no engine can be routed to", async () => {
    const { answers, become } = start();
    expect(await read(answers.readyz(false))).toEqual([200, { status: "ready" }]);
    become(none);
    expect(await read(answers.readyz(false))).toEqual([503, { status: "not ready" }]);
    become({ total: 1, healthy: 1, routable: 1, ejected: 0, starting: 0 });
    expect(await read(answers.readyz(false))).toEqual([200, { status: "ready" }]);
  });

  test("is 503 while the router drains, whatever its engines do", async () => {
    const { answers, drain } = start();
    drain();
    expect(await read(answers.readyz(false))).toEqual([503, { status: "not ready" }]);
  });

  test("lists why when it is asked to", async () => {
    const { answers, become, drain } = start();
    const endpoints = { total: 3, healthy: 2, routable: 1, ejected: 0, starting: 0 };
    expect(await read(answers.readyz(true))).toEqual([200, { status: "ready", draining: false, endpoints }]);
    become(none);
    drain();
    expect(await read(answers.readyz(true))).toEqual([
      503,
      { status: "not ready", draining: true, endpoints: none },
    ]);
  });
});

test("the routes are there, and ?verbose may have any value or none", async () => {
  let draining = false;
  await using router = startRouter({
    backends: [{ url: "http://127.0.0.1:9", models: ["m"] }],
    isDraining: () => draining,
  });
  const get = async (path: string) => read(await fetch(router.url + path));
  const endpoints = { total: 1, healthy: 1, routable: 1, ejected: 0, starting: 0 };
  expect(await get("/livez")).toEqual([200, { status: "alive" }]);
  expect(await get("/readyz")).toEqual([200, { status: "ready" }]);
  for (const query of ["?verbose", "?verbose=1", "?x&verbose"]) {
    expect(await get(`/readyz${query}`)).toEqual([200, { status: "ready", draining: false, endpoints }]);
  }
  draining = true;
  expect(await get("/readyz")).toEqual([503, { status: "not ready" }]);
  expect(await get("/livez")).toEqual([200, { status: "alive" }]);
});
