import { expect, test } from "bun:test";
import { RouterError } from "../../src/core/errors.ts";
import { createClients } from "../../src/http/client.ts";

test("a client's connection may be silent while an engine thinks, and has the server's limit again afterwards", () => {
  const limits: [Request, number][] = [];
  const leaving = new AbortController();
  const request = new Request("http://router/", { signal: leaving.signal });
  const server = { timeout: (of: Request, seconds: number) => limits.push([of, seconds]) };
  const client = createClients(30).of(request, server, { arrivedAt: 7 });
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

test("clients whose engines are awaited can be cut; those that are answered, and those that left, are left alone", () => {
  const clients = createClients(30);
  const server = { timeout: () => {} };
  const leaving = new AbortController();
  const [waiting, answered, gone] = [{}, {}, { signal: leaving.signal }].map((init) =>
    clients.of(new Request("http://router/", init), server, { arrivedAt: 0 }),
  );
  for (const client of [waiting, answered, gone]) client?.allowSilence();
  answered?.limitSilence();
  leaving.abort();
  const error = new RouterError("router_shutdown", "The router ends.");
  clients.cut(error);
  expect(waiting?.signal.reason).toBe(error);
  expect(answered?.signal.aborted).toBe(false);
  expect(gone?.signal.reason).toMatchObject({ code: "client_closed" });
});

test("what is asked of an engine for a client can be interrupted, and something else asked, until the client has left", () => {
  const leaving = new AbortController();
  const clients = createClients(30);
  const request = new Request("http://router/", { signal: leaving.signal });
  const client = clients.of(request, { timeout: () => {} }, { arrivedAt: 0 });
  const first = client.signal;
  const reason = new RouterError("upstream_timeout", "Too late.");
  client.interrupt(reason);
  expect(first.reason).toBe(reason);
  expect(client.signal.aborted).toBe(false);
  leaving.abort();
  expect(client.signal.reason).toMatchObject({ code: "client_closed" });
  client.interrupt(reason);
  expect(client.signal.reason).toMatchObject({ code: "client_closed" });
});

test("a client that left before its request was looked at has left", () => {
  const request = new Request("http://router/", { signal: AbortSignal.abort() });
  expect(createClients(30).of(request, { timeout: () => {} }, { arrivedAt: 0 }).signal.aborted).toBe(true);
});
