import { describe, expect, test } from "bun:test";
import { parseKeys } from "../../src/access/keys.ts";
import { readExposition } from "../support/exposition.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { startRouter } from "../support/router.ts";

const parsed = parseKeys(["alice:sk-alice", "bob:sk-bob"]);
const access = { keys: "keys" in parsed ? parsed.keys : [], files: [] };
const body = '{"model":"m"}';

/** An engine that takes everything, behind a router with two keys. */
const start = async (options: Partial<Parameters<typeof startRouter>[0]> = {}) => {
  const parts = new AsyncDisposableStack();
  const engine = parts.use(await startRawEngine((socket) => socket.write(rawAnswer("{}"))));
  const backends = [{ url: engine.url, models: ["m"] }];
  const router = parts.use(startRouter({ backends, access, ...options }));
  const ask = async (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
    fetch(router.url + path, { method, headers, ...(method === "POST" && { body }) });
  const heads = (): string => engine.requests.map(({ head }) => head.toLowerCase()).join("\n");
  return { engine, router, ask, heads, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
};

describe("with keys", () => {
  test.each([
    ["POST", "/v1/chat/completions"],
    ["POST", "/v1/anything/else"],
    ["GET", "/v1/models"],
    ["GET", "/engines"],
    ["GET", "/version"],
    ["POST", "/sleep?id=x"],
    ["POST", "/wake_up?id=x"],
    ["GET", "/is_sleeping?id=x"],
    ["GET", "/nothing/here"],
    ["GET", "/health/"],
    ["GET", "/%68ealth"],
  ])("%s %s needs one", async (method, path) => {
    await using given = await start();
    const answer = await given.ask(path, {}, method);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(await answer.json()).toEqual({
      error: {
        message: "A valid API key is needed, as 'Authorization: Bearer <key>' or 'x-api-key: <key>'.",
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      },
    });
    expect(given.engine.requests).toHaveLength(0);
  });

  test.each(["/health", "/livez", "/readyz", "/readyz?verbose", "/metrics"])(
    "GET %s needs none",
    async (path) => {
      await using given = await start();
      expect((await given.ask(path)).status).toBe(200);
    },
  );

  test.each([{ authorization: "Bearer sk-alice" }, { "x-api-key": "sk-bob" }])(
    "%p lets in, stays here, and is counted by its name",
    async (headers: Readonly<Record<string, string>>) => {
      await using given = await start();
      expect((await given.ask("/v1/completions", { ...headers, "x-custom": "1" }, "POST")).status).toBe(200);
      expect(given.heads()).toContain("x-custom: 1");
      expect(given.heads()).not.toMatch(/authorization|x-api-key|sk-/);
      await given.ask("/v1/completions", { authorization: "Bearer sk-carol" }, "POST");
      const metrics = readExposition(await (await given.ask("/metrics")).text());
      const key = "x-api-key" in headers ? "bob" : "alice";
      expect(metrics.value("vllm_router_authorized_requests_total", { key })).toBe(1);
      expect(metrics.value("vllm_router_rejected_requests_total", { reason: "invalid_api_key" })).toBe(1);
      expect(given.router.lines.join("")).not.toContain("sk-");
    },
  );

  test("engines are presented the router's own key instead", async () => {
    await using given = await start({ engineApiKey: "engine-key" });
    await given.ask("/v1/completions", { authorization: "Bearer sk-alice", "x-api-key": "sk-bob" }, "POST");
    expect(given.heads()).toContain("authorization: bearer engine-key");
    expect(given.heads()).not.toMatch(/x-api-key|sk-/);
  });
});

describe("without keys", () => {
  test("the client's credentials go on to the engine as they are, and VLLM_API_KEY does not", async () => {
    await using given = await start({ access: undefined, engineApiKey: "engine-key" });
    await given.ask(
      "/v1/completions",
      { authorization: "Bearer sk-client", "x-api-key": "sk-other" },
      "POST",
    );
    await given.ask("/v1/completions", {}, "POST");
    expect(given.heads()).toContain("authorization: bearer sk-client");
    expect(given.heads()).toContain("x-api-key: sk-other");
    expect(given.heads()).not.toContain("engine-key");
  });
});

test("a backend with a key of its own gets that with everything, and no other backend does", async () => {
  const parts = new AsyncDisposableStack();
  await using _parts = parts;
  const other = parts.use(await startRawEngine((socket) => socket.write(rawAnswer("{}"))));
  const own = parts.use(await startRawEngine((socket) => socket.write(rawAnswer('{"is_sleeping":false}'))));
  const router = parts.use(
    startRouter({
      backends: [
        { url: own.url, models: ["m"], apiKey: "key-of-own" },
        { url: other.url, models: ["m"] },
      ],
      engineApiKey: "shared-key",
      engineStatsIntervalSeconds: 1,
    }),
  );
  const headers = { authorization: "Bearer sk-client" };
  for (let time = 0; time < 2; time += 1) {
    await fetch(`${router.url}/v1/completions`, { method: "POST", headers, body });
  }
  await own.received(2);
  await other.received(2);
  const authorization = ({ head }: { readonly head: string }) => /^authorization: (.*)$/im.exec(head)?.[1];
  expect(new Set(own.requests.map(authorization))).toEqual(new Set(["Bearer key-of-own"]));
  expect(new Set(other.requests.map(authorization))).toEqual(
    new Set(["Bearer shared-key", "Bearer sk-client"]),
  );
});

test("engines are told where a request comes from, by the router or by a proxy that it trusts", async () => {
  const forged = {
    "x-forwarded-for": "1.1.1.1",
    "x-forwarded-proto": "https",
    "x-vllm-router-endpoint": "x",
  };
  for (const [trustedProxies, expected] of [
    [[], ["127.0.0.1", "http"]],
    [["127.0.0.0/8"], ["1.1.1.1, 127.0.0.1", "https"]],
  ] as const) {
    await using given = await start({ access: undefined, trustedProxies });
    await given.ask("/v1/completions", forged, "POST");
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(given.heads())?.[1]?.trim();
    expect([field("x-forwarded-for"), field("x-forwarded-proto")]).toEqual([...expected]);
    expect(field("x-vllm-router-endpoint")).toBeUndefined();
  }
});
