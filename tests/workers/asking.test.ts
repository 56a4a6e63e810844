import { describe, expect, test } from "bun:test";
import { RouterError } from "../../src/core/errors.ts";
import type { Entrance } from "../../src/http/entrance.ts";
import { createAnswering } from "../../src/workers/answering.ts";
import { createAsking } from "../../src/workers/asking.ts";
import { settle } from "../support/clock.ts";

/** A worker that asks, and the control plane that answers by `inside`; messages are copied as between threads. */
const connect = (inside: Entrance) => {
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const answering = createAnswering({
    inside,
    onFault,
    tell: (answer) => asking.told(structuredClone(answer)),
  });
  const asking = createAsking({
    ask: (asked) => answering.ask(structuredClone(asked)),
    leave: answering.left,
  });
  const bytes = async (request: Request) => new Uint8Array(await request.arrayBuffer());
  const app = asking.by({ readBody: bytes, maxBodyBytes: 1000 });
  const silence: string[] = [];
  const leaving = new AbortController();
  const client = {
    signal: leaving.signal,
    interrupt: () => {},
    arrivedAt: 0,
    allowSilence: () => void silence.push("allowed"),
    limitSilence: () => void silence.push("limited"),
    address: () => "10.0.0.7",
    dueAt: Number.POSITIVE_INFINITY,
    over: () => {},
  };
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    app(new Request(`http://router${path}`, init), { requestId: "r-1", client });
  return { ask, answering, leaving, silence, faults };
};

describe("what a worker has answered by the control plane", () => {
  test("comes there as it came here, and back as it was answered", async () => {
    const seen: unknown[] = [];
    const { ask, silence } = connect(async (request, server) => {
      seen.push({
        method: request.method,
        url: request.url,
        id: request.headers.get("x-request-id"),
        type: request.headers.get("content-type"),
        body: await request.text(),
        from: server.requestIP?.(request)?.address,
      });
      return new Response("done\0", { status: 418, headers: { "x-a": "b", "content-type": "text/odd" } });
    });
    const response = await ask("/sleep?id=1", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", "x-request-id": "the client's" },
    });
    expect(seen).toEqual([
      {
        method: "POST",
        url: "http://router/sleep?id=1",
        id: "r-1",
        type: "application/json",
        body: "{}",
        from: "10.0.0.7",
      },
    ]);
    expect(response.status).toBe(418);
    expect(Object.fromEntries(response.headers)).toEqual({ "x-a": "b", "content-type": "text/odd" });
    expect(await response.text()).toBe("done\0");
    expect(silence).toEqual(["allowed", "limited"]);
  });

  test("is read only where a route takes a body: nobody fills memory under a path that does not exist", async () => {
    const bodies: string[] = [];
    const { ask } = connect(async (request) => {
      bodies.push(await request.text());
      return new Response();
    });
    await ask("/nowhere", { method: "POST", body: "much" });
    await ask("/debug/route?path=/v1/completions", { method: "POST", body: "little" });
    expect(bodies).toEqual(["", "little"]);
  });

  test("ends with its client: the control plane learns of it, and its answer is nobody's", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<AbortSignal>();
    const { ask, leaving, silence } = connect(async ({ signal }) => {
      resolve(signal);
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(new Error("left")));
      return promise.catch(() => new Response("late"));
    });
    const answer = ask("/health");
    const signal = await asked;
    leaving.abort(new RouterError("client_closed", "The client left."));
    expect(await answer.catch(String)).toContain("The client left.");
    expect(signal.aborted).toBe(true);
    expect(silence).toEqual(["allowed", "limited"]);
  });

  test("is an internal error where it breaks off: nobody waits for what does not come", async () => {
    const { ask, faults } = connect(async () => {
      const body = new ReadableStream({ start: (controller) => controller.error(new Error("a defect")) });
      return new Response(body);
    });
    const response = await ask("/metrics");
    expect(response.status).toBe(500);
    expect(response.headers.get("x-request-id")).toBe("r-1");
    expect(faults.map(String)).toEqual(["Error: a defect"]);
  });

  test("is given up where the whole worker is gone", async () => {
    const signals: AbortSignal[] = [];
    const { ask, answering } = connect(async ({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    void ask("/health");
    void ask("/metrics");
    await settle();
    answering.leftAll();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
