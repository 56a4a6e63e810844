import { describe, expect, test } from "bun:test";
import { createForwardingApp } from "../../src/http/forwarded.ts";
import { forwardedRoutes } from "../../src/http/routes.ts";

const peer = {
  signal: new AbortController().signal,
  interrupt: () => {},
  arrivedAt: 0,
  allowSilence: () => {},
  limitSilence: () => {},
  address: () => undefined,
  dueAt: Number.POSITIVE_INFINITY,
  over: () => {},
};

/** Where a request goes, with the route that it is taken for. */
const wayOf = async (method: string, path: string): Promise<string> => {
  const app = createForwardingApp(
    async (_request, _admitted, route) => new Response(`engine ${route.pattern ?? route.path}`),
    () => new Response("elsewhere"),
  );
  const request = new Request(`http://router${path}`, { method });
  return (await app.fetch(request, { requestId: "r", client: peer })).text();
};

describe("an app that forwards", () => {
  test.each(forwardedRoutes.map(({ method, path }) => [method, path] as const))(
    "sends %s %s to an engine, with a query or without",
    async (method, path) => {
      expect(await wayOf(method, path)).toBe(`engine ${path}`);
      expect(await wayOf(method, `${path}?a=/v1/b`)).toBe(`engine ${path}`);
    },
  );

  test("sends what it does not know below /v1/ to an engine as well", async () => {
    expect(await wayOf("GET", "/v1/responses/r-1")).toBe("engine /v1/*");
    expect(await wayOf("POST", "/v1/anything")).toBe("engine /v1/*");
  });

  test.each([
    ["GET", "/health"],
    ["GET", "/metrics"],
    ["GET", "/v1/models"],
    ["POST", "/v1/models"],
    ["GET", "/v1/chat/completions"],
    ["DELETE", "/v1/anything"],
    ["POST", "/sleep?id=1"],
    ["POST", "/v1/files/f-1"],
    ["GET", "/nowhere"],
  ])("has %s %s answered elsewhere", async (method, path) => {
    expect(await wayOf(method, path)).toBe("elsewhere");
  });
});
