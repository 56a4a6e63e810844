import { expect, test } from "bun:test";
import { createClient } from "../../src/http/client.ts";

test("a client's connection may be silent while an engine thinks, and has the server's limit again afterwards", () => {
  const limits: [Request, number][] = [];
  const leaving = new AbortController();
  const request = new Request("http://router/", { signal: leaving.signal });
  const server = { timeout: (of: Request, seconds: number) => limits.push([of, seconds]) };
  const client = createClient(request, server, { arrivedAt: 7, idleTimeoutSeconds: 30 });
  expect(limits).toEqual([]);
  client.allowSilence();
  client.limitSilence();
  expect(limits).toEqual([
    [request, 0],
    [request, 30],
  ]);
  expect([client.arrivedAt, client.signal.aborted]).toEqual([7, false]);
  leaving.abort(new Error("left"));
  expect(client.signal.aborted).toBe(true);
});
