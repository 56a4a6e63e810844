import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { RouterError } from "../../src/core/errors.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import { createEngineControl } from "../../src/http/engine-control.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock } from "../support/clock.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

type Answer = Parameters<typeof startRawEngine>[0];

/** A router in front of one engine, with the engine's id. */
const start = async (answer: Answer, engineApiKey?: string) => {
  const engine = await startRawEngine(answer);
  const router = startRouter({
    backends: [{ url: engine.url, models: ["m"] }],
    ...(engineApiKey === undefined ? {} : { engineApiKey }),
  });
  const listed = (await (await fetch(`${router.url}/engines`)).json()) as { engine_id: string }[];
  return {
    engine,
    router,
    id: listed[0]?.engine_id ?? "",
    [Symbol.asyncDispose]: async () => {
      await router[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
};

const actions = [
  ["POST", "/sleep"],
  ["POST", "/wake_up"],
  ["GET", "/is_sleeping"],
] as const;

const complete = async ({ url }: TestRouter): Promise<number> => {
  const response = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"model":"m"}' });
  await response.text();
  return response.status;
};

/** An engine that knows whether it sleeps. */
const sleeper = (): Answer => {
  let isSleeping = false;
  return (socket, { head }) => {
    const path = head.split(" ")[1] ?? "";
    if (path.startsWith("/sleep")) isSleeping = true;
    if (path.startsWith("/wake_up")) isSleeping = false;
    socket.write(
      rawAnswer(path.startsWith("/is_sleeping") ? JSON.stringify({ is_sleeping: isSleeping }) : ""),
    );
  };
};

describe.each(actions)("%s %s", (method, path) => {
  test("needs the id of an engine", async () => {
    await using given = await start(sleeper());
    for (const query of ["", "?id=", "?x=1"]) {
      const response = await fetch(given.router.url + path + query, { method });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({ error: "Invalid request: missing target Engine Id." });
    }
    const response = await fetch(`${given.router.url}${path}?id=nobody`, {
      method,
      headers: { "x-request-id": "r-1" },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: "Engine with Id nobody not found." });
    expect(response.headers.get("x-request-id")).toBe("r-1");
    expect(given.engine.requests).toEqual([]);
  });

  test("sends the other parameters and the body on, with the engines' key and never the client's", async () => {
    await using given = await start(sleeper(), "engine-key");
    await fetch(`${given.router.url}${path}?level=2&id=${given.id}&tags=weights&tags=kv%20cache`, {
      method,
      headers: {
        authorization: "Bearer client-key",
        "content-type": "application/json",
        cookie: "c=1",
        "x-request-id": "r-1",
      },
      ...(method === "POST" ? { body: '{"mode":"abort"}' } : {}),
    });
    const { head = "", body } = given.engine.requests[0] ?? {};
    expect(head).toStartWith(`${method} ${path}?level=2&tags=weights&tags=kv`);
    expect(head).not.toContain("id=");
    expect(head).toMatch(/^authorization: Bearer engine-key$/im);
    expect(head).toMatch(/^x-request-id: r-1$/im);
    expect(head).not.toMatch(/client-key|cookie/i);
    expect(String(body)).toBe(method === "POST" ? '{"mode":"abort"}' : "");
  });

  test("without a key of the engines sends none", async () => {
    await using given = await start(sleeper());
    await fetch(`${given.router.url}${path}?id=${given.id}`, {
      method,
      headers: { authorization: "Bearer client-key" },
    });
    expect(given.engine.requests[0]?.head).not.toMatch(/authorization/i);
  });

  test("is logged without a session", async () => {
    await using given = await start(sleeper());
    await fetch(`${given.router.url}${path}?id=${given.id}`, { method, headers: { "x-request-id": "r-1" } });
    const line = given.router.lines.find((each) => each.includes("INFO: Routing request"));
    expect(line).toMatch(
      /INFO: Routing request r-1 to http:\/\/127\.0\.0\.1:\d+ at \d+(\.\d+)?, process time = \d+\.\d{4} /,
    );
  });

  test.each<[string, Answer, number, string | undefined]>([
    [
      "an error of the engine: it is passed on",
      (socket) => socket.write(rawAnswer('{"error":"no"}', { "x-why": "1" }, "409 Conflict")),
      409,
      '{"error":"no"}',
    ],
    ["a lost connection", (socket) => socket.destroy(), 502, undefined],
    [
      "a cut answer",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
      502,
      undefined,
    ],
    [
      "a redirect",
      (socket) => socket.write(rawAnswer("", { location: "http://10.9.9.9/" }, "307 Temporary Redirect")),
      502,
      undefined,
    ],
    ["an unknown kind of status", (socket) => socket.write(rawAnswer("", {}, "999 Odd")), 502, undefined],
  ])("with %s, and nothing is taken to sleep", async (_what, answer, status, body) => {
    await using given = await start((socket, request) => {
      if (request.head.startsWith("POST /v1/")) socket.write(rawAnswer("{}"));
      else answer(socket, request);
    });
    const response = await fetch(`${given.router.url}${path}?id=${given.id}`, { method, redirect: "manual" });
    const text = await response.text();
    expect(response.status).toBe(status);
    if (body === undefined) expect(JSON.parse(text)).toMatchObject({ error: { type: "upstream_error" } });
    else expect(text).toBe(body);
    expect(text + JSON.stringify([...response.headers])).not.toMatch(/10\.9\.9\.9|127\.0\.0\.1/);
    expect(given.router.lines.filter((line) => line.includes("defect"))).toEqual([]);
    expect(await complete(given.router)).toBe(200);
  });

  test("with another method is refused", async () => {
    await using given = await start(sleeper());
    const other = method === "GET" ? "POST" : "GET";
    const response = await fetch(`${given.router.url}${path}?id=${given.id}`, { method: other });
    expect([response.status, response.headers.get("allow")]).toEqual([405, method]);
    expect(given.engine.requests).toEqual([]);
  });
});

describe("an engine that is sent to sleep", () => {
  test("answers success, gets no requests, is listed, and is asked again when it wakes", async () => {
    await using given = await start(sleeper());
    const control = async (method: string, path: string): Promise<unknown> =>
      (await fetch(`${given.router.url}${path}?id=${given.id}`, { method })).json();

    expect(await complete(given.router)).toBe(200);
    expect(await control("POST", "/sleep")).toEqual({ status: "success" });
    expect(await control("GET", "/is_sleeping")).toEqual({ is_sleeping: true });
    const before = given.engine.requests.length;
    expect(await complete(given.router)).toBe(503);
    expect(given.engine.requests).toHaveLength(before);
    const models = (await (await fetch(`${given.router.url}/v1/models`)).json()) as {
      data: { id: string }[];
    };
    expect(models.data.map(({ id }) => id)).toEqual(["m"]);
    expect(await control("POST", "/wake_up")).toEqual({ status: "success" });
    expect(await complete(given.router)).toBe(200);
  });

  test("by somebody else is noticed when it is asked", async () => {
    let isSleeping = true;
    await using given = await start((socket) =>
      socket.write(rawAnswer(JSON.stringify({ is_sleeping: isSleeping }))),
    );
    const ask = async () => fetch(`${given.router.url}/is_sleeping?id=${given.id}`);
    expect(await complete(given.router)).toBe(200);
    await ask();
    expect(await complete(given.router)).toBe(503);
    isSleeping = false;
    await ask();
    expect(await complete(given.router)).toBe(200);
  });

  test("is not taken to sleep for an answer that is something else", async () => {
    await using given = await start((socket) => socket.write(rawAnswer('{"is_sleeping":"yes"}')));
    const response = await fetch(`${given.router.url}/is_sleeping?id=${given.id}`);
    expect(await response.text()).toBe('{"is_sleeping":"yes"}');
    expect(await complete(given.router)).toBe(200);
  });
});

describe("while an engine moves its weights", () => {
  const endpoint: Endpoint = { id: "e", url: "http://engine", models: ["m"], addedAt: 0 };

  type Fetch = Parameters<typeof createEngineControl>[0]["fetch"];

  /** Sends an engine to sleep; `silence` is what becomes of the limit on the client's connection. */
  const putToSleep = async (fetch: Fetch, silence: string[] = []): Promise<unknown> => {
    const clock = createTestClock();
    const { log } = createTestLog(clock);
    const discovery = { endpoints: [endpoint], hasSeen: () => true, [Symbol.asyncDispose]: async () => {} };
    const fleet = createFleet(discovery, createRequestLedger({ windowMs: 1000 }, { clock }));
    const client = {
      signal: new AbortController().signal,
      interrupt: () => {},
      address: () => undefined,
      arrivedAt: 0,
      allowSilence: () => void silence.push("allowed"),
      limitSilence: () => void silence.push("limited"),
    };
    const request = new Request("http://router/sleep?id=e", { method: "POST" });
    const control = createEngineControl({ fleet, fetch, clock, log });
    return control({ id: "r-1", action: "sleep", request, client }).catch((error: unknown) => error);
  };

  test("the client's connection may be silent, and has its limit again afterwards", async () => {
    const silence: string[] = [];
    const before: string[] = [];
    const answer = await putToSleep(async () => {
      before.push(...silence);
      return new Response("");
    }, silence);
    expect(answer).toHaveProperty("status", 200);
    expect([before, silence]).toEqual([["allowed"], ["allowed", "limited"]]);
  });

  test("and fails, the client's connection has its limit again as well", async () => {
    const silence: string[] = [];
    const answer = await putToSleep(async () => Promise.reject(new TypeError("x")), silence);
    expect(answer).toBeInstanceOf(RouterError);
    expect(silence).toEqual(["allowed", "limited"]);
  });

  test("over a connection of its own", async () => {
    const fresh: (boolean | undefined)[] = [];
    await putToSleep(async (_url, request) => {
      fresh.push(request.fresh);
      return new Response("");
    });
    expect(fresh).toEqual([true]);
  });
});
