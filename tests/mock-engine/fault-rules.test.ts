import { describe, expect, test } from "bun:test";
import type { MockEngine } from "../../src/mock-engine/engine.ts";
import { parseFault } from "../../src/mock-engine/faults.ts";
import { post, startEngine } from "./started.ts";

const ask = { prompt: "hello", max_tokens: 3 };

describe("a fault for requests that do not ask for one", () => {
  const statuses = async (engine: MockEngine, count: number): Promise<number[]> => {
    const seen: number[] = [];
    for (let sent = 0; sent < count; sent += 1) {
      seen.push((await post(engine, "/v1/completions", ask)).status);
    }
    return seen;
  };

  test("meets every nth request for inference, and leaves health and models alone", async () => {
    await using engine = startEngine({ fault: parseFault("status=503"), faultEvery: 3 });
    expect(await statuses(engine, 6)).toEqual([200, 200, 503, 200, 200, 503]);
    await using always = startEngine({ fault: parseFault("status=503") });
    expect(await statuses(always, 2)).toEqual([503, 503]);
    for (const path of ["/health", "/v1/models", "/metrics"]) {
      expect((await fetch(always.url + path)).status).toBe(200);
    }
  });

  test("meets everything in scope all, but not the routes of the tests", async () => {
    await using engine = startEngine({ fault: parseFault("status=503"), faultScope: "all" });
    expect((await fetch(`${engine.url}/health`)).status).toBe(503);
    expect((await fetch(`${engine.url}/mock/state`)).status).toBe(200);
  });

  test("can begin and end while the engine runs", async () => {
    await using engine = startEngine();
    engine.setFault("status=500", { every: 2 });
    expect(await statuses(engine, 4)).toEqual([200, 500, 200, 500]);
    engine.setFault(undefined);
    expect(await statuses(engine, 2)).toEqual([200, 200]);
    expect(() => engine.setFault("explode")).toThrow(RangeError);
  });

  test("can be set from outside", async () => {
    await using engine = startEngine();
    expect((await post(engine, "/mock/fault", { fault: "status=502", scope: "all" })).status).toBe(200);
    expect((await fetch(`${engine.url}/health`)).status).toBe(502);
    expect((await post(engine, "/mock/fault", { fault: "explode" })).status).toBe(400);
    expect((await post(engine, "/mock/fault", { every: 0 })).status).toBe(400);
    expect((await post(engine, "/mock/fault", {})).status).toBe(200);
    expect((await fetch(`${engine.url}/health`)).status).toBe(200);
  });

  test("gives way to the fault that a request asks for", async () => {
    await using engine = startEngine({ fault: parseFault("status=503") });
    const headers = { "x-mock-fault": "status=429" };
    expect((await post(engine, "/v1/completions", ask, headers)).status).toBe(429);
  });
});
