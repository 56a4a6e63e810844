import { describe, expect, test } from "bun:test";
import { runCli } from "../../src/cli.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { lendPlatform } from "./lent.ts";

/** A router with a second listener. */
const serve = async (...argv: readonly string[]) => {
  const lent = lendPlatform();
  const flags = ["--host=127.0.0.1", "--port=0", "--admin-port=0", "--drain-delay-seconds=0", ...argv];
  const ended = runCli(flags, lent.platform);
  const urlIn = (line: string): string => /http:\/\/[^ ]*\d/.exec(line)?.[0] ?? "";
  const url = urlIn(await lent.line(/listens on/));
  const admin = urlIn(await lent.line(/Metrics and control are at/));
  return { ...lent, ended, url, admin, [Symbol.asyncDispose]: async () => lent.stop.abort() };
};

const ADMIN = [
  ["GET", "/metrics"],
  ["GET", "/engines"],
  ["POST", "/sleep?id=x"],
  ["POST", "/wake_up?id=x"],
  ["GET", "/is_sleeping?id=x"],
] as const;
const CLIENTS = [
  ["GET", "/v1/models"],
  ["POST", "/v1/chat/completions"],
  ["POST", "/tokenize"],
  ["POST", "/v1/anything/else"],
] as const;
const BOTH = [
  ["GET", "/health"],
  ["GET", "/livez"],
  ["GET", "/readyz"],
  ["GET", "/version"],
] as const;

const status = async (url: string, method: string, path: string, headers = {}): Promise<number> =>
  (await fetch(url + path, { method, headers })).status;

describe("a second listener", () => {
  test("takes metrics and control away from the first, which knows nothing of them", async () => {
    await using router = await serve("http://127.0.0.1:9");
    for (const [method, path] of ADMIN) {
      expect([path, await status(router.url, method, path)]).toEqual([path, 404]);
      expect(await status(router.admin, method, path)).not.toBe(404);
    }
    // Nor by another method or another way to write it.
    for (const path of ["/%6detrics", "/x/../metrics", "/metrics/", "/v1/../engines"]) {
      for (const method of ["GET", "POST"]) expect(await status(router.url, method, path)).toBe(404);
    }
  });

  test("has no way to an engine", async () => {
    await using router = await serve("http://127.0.0.1:9");
    for (const [method, path] of CLIENTS) expect(await status(router.admin, method, path)).toBe(404);
    expect(await status(router.url, "GET", "/v1/models")).toBe(200);
  });

  test("tells of health as the first does", async () => {
    await using router = await serve("http://127.0.0.1:9");
    for (const [method, path] of BOTH) {
      expect(await status(router.admin, method, path)).toBe(await status(router.url, method, path));
    }
  });

  test("needs a key for control where there are keys, and none for metrics", async () => {
    await using router = await serve("http://127.0.0.1:9", "--api-key=sk-1");
    expect(await status(router.admin, "GET", "/metrics")).toBe(200);
    expect(await status(router.admin, "GET", "/engines")).toBe(401);
    expect(await status(router.admin, "POST", "/sleep?id=x")).toBe(401);
    expect(await status(router.admin, "GET", "/engines", { authorization: "Bearer sk-1" })).toBe(200);
    expect(await status(router.url, "GET", "/metrics")).toBe(404);
  });

  test("answers until the last request has ended", async () => {
    let end = (): void => {};
    await using engine = await startRawEngine((socket) => {
      socket.write(STREAM_HEAD + rawChunk("data: 1\n\n"));
      end = () => socket.write(`${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`);
    });
    const backend = ["--service-discovery=static", `--static-backends=${engine.url}`, "--static-models=m"];
    const quiet = ["--disable-health-check", "--engine-stats-interval=1000"];
    await using router = await serve("--routing-logic=roundrobin", ...backend, ...quiet);
    const { port } = new URL(router.url);
    using client = sendRaw(Number(port), rawPost("/v1/completions", '{"model":"m","stream":true}'));
    await client.until(/data: 1/);
    router.stop.abort();
    await router.line(/1 under way may finish/);
    expect(await fetch(`${router.url}/health`).catch(() => "refused")).toBe("refused");
    expect(await status(router.admin, "GET", "/readyz")).toBe(503);
    expect(await status(router.admin, "GET", "/metrics")).toBe(200);
    end();
    expect(await router.ended).toBe(0);
    expect(await client.closed()).toEndWith("\r\n0\r\n\r\n");
    expect(await fetch(`${router.admin}/health`).catch(() => "refused")).toBe("refused");
  });
});

describe("a second listener that cannot be", () => {
  test("ends the router, with its address", async () => {
    using taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const lent = lendPlatform();
    const flags = ["--host=127.0.0.1", "--port=0", `--admin-port=${taken.port}`, "http://127.0.0.1:9"];
    expect(await runCli(flags, lent.platform)).toBe(1);
    expect(lent.stderr()).toContain(`Cannot listen on 127.0.0.1:${taken.port}`);
  });

  test("is refused where it is the first", async () => {
    const lent = lendPlatform();
    expect(await runCli(["--port=8000", "--admin-port=8000", "http://127.0.0.1:9"], lent.platform)).toBe(1);
    expect(lent.stderr()).toContain("--admin-port: is the port of the router itself; give another one");
  });
});
