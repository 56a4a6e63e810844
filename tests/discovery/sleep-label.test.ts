import { describe, expect, test } from "bun:test";
import { createSleepLabel } from "../../src/discovery/sleep-label.ts";
import type { KubeCall } from "../../src/kubernetes/api.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { createTestLog } from "./engines.ts";

const PATH = "/api/v1/namespaces/default/pods/vllm-0";

const start = (answer: (call: KubeCall) => Response | Promise<Response>) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const calls: KubeCall[] = [];
  const request = async (call: KubeCall): Promise<Response> => {
    calls.push(call);
    return answer(call);
  };
  return { clock, lines, calls, mark: createSleepLabel({ api: { request }, clock, log }) };
};

const forbidden = (): Response =>
  Response.json(
    {
      kind: "Status",
      code: 403,
      message: 'pods "vllm-0" is forbidden: User "x" cannot patch resource "pods"',
    },
    { status: 403 },
  );

describe("the label of an engine that sleeps", () => {
  test("is set and taken away by a merge patch, as other routers read it", async () => {
    const { calls, lines, mark } = start(() => Response.json({}));
    await mark(PATH, true);
    await mark(PATH, false);
    expect(calls).toMatchObject([
      { method: "PATCH", path: PATH, body: { json: { metadata: { labels: { sleeping: "true" } } } } },
      { method: "PATCH", path: PATH, body: { json: { metadata: { labels: { sleeping: null } } } } },
    ]);
    expect(calls[0]?.body?.contentType).toBe("application/merge-patch+json");
    expect(lines).toEqual([]);
  });

  test("that may not be set is told once, with the right that is missing", async () => {
    const { lines, mark } = start(forbidden);
    await mark(PATH, true);
    await mark(PATH, false);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(
      "WARNING: Other routers do not learn which engines sleep: no right to patch pods",
    );
    expect(lines[0]).toContain('must grant the verb "patch" on "pods"');
  });

  test("keeps nobody waiting for longer than 5 s", async () => {
    const { clock, lines, mark } = start(async ({ signal }) => {
      const { promise, reject } = Promise.withResolvers<Response>();
      signal.addEventListener("abort", () => reject(signal.reason));
      return promise;
    });
    const marked = mark(PATH, true);
    await settle();
    clock.advance(5000);
    await marked;
    expect(lines[0]).toContain("no answer in 5 s");
    expect(clock.waiting()).toEqual([]);
  });
});
