import { describe, expect, test } from "bun:test";
import { createRequestHeaders } from "../../src/proxy/request-headers.ts";

type Given = Readonly<Record<string, string>>;

/** What an engine is sent of these fields, from a client at 10.0.0.1 or elsewhere. */
const sent = (
  headers: Given,
  {
    address,
    ...options
  }: Partial<Parameters<typeof createRequestHeaders>[0]> & { readonly address?: string } = {},
) => {
  const make = createRequestHeaders({ isTrusted: (peer) => peer === "10.0.0.1", ...options });
  const {
    "user-agent": _agent,
    "x-request-id": _id,
    ...rest
  } = make({
    id: "r-1",
    headers: new Headers(headers),
    address: address ?? "192.0.2.1",
  });
  return rest;
};

describe("where a request comes from", () => {
  const forged = {
    forwarded: "for=1.1.1.1",
    "x-forwarded-for": "1.1.1.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil",
    "x-forwarded-port": "1",
    "x-forwarded-prefix": "/p",
    "x-real-ip": "1.1.1.1",
  };

  test("is what the router sees, whatever a stranger says", () => {
    expect(sent({ ...forged, "x-custom": "1" })).toEqual({
      "x-custom": "1",
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-proto": "http",
    });
    expect(sent({})).toEqual({ "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "http" });
  });

  test("is what a trusted proxy says, and the proxy", () => {
    expect(sent(forged, { address: "10.0.0.1" })).toEqual({
      ...forged,
      "x-forwarded-for": "1.1.1.1, 10.0.0.1",
    });
    expect(sent({}, { address: "10.0.0.1" })).toEqual({
      "x-forwarded-for": "10.0.0.1",
      "x-forwarded-proto": "http",
    });
  });

  test("is nothing where the client has left meanwhile", () => {
    const make = createRequestHeaders({ isTrusted: () => true });
    const headers = make({ id: "r-1", headers: new Headers(forged), address: undefined });
    expect(headers["x-forwarded-for"]).toBeUndefined();
    expect(headers["x-real-ip"]).toBeUndefined();
  });
});

test("fields that would be the router's own never go on", () => {
  const {
    "x-forwarded-for": _for,
    "x-forwarded-proto": _proto,
    ...rest
  } = sent({
    "x-vllm-router-endpoint": "e1",
    "X-VLLM-Router-Anything": "1",
    "x-vllm-routers": "another",
    "x-custom": "1",
  });
  expect(rest).toEqual({ "x-custom": "1", "x-vllm-routers": "another" });
});

describe("credentials of clients", () => {
  const given = { authorization: "Bearer sk-1", "x-api-key": "sk-2" };

  test("go on where the router has none of its own to ask for", () => {
    expect(sent(given)).toMatchObject(given);
  });

  test("stay here where it has, and its own go out where there are any", () => {
    const of = (credentials: { readonly apiKey?: string }) => {
      const headers = sent(given, { credentials });
      return [headers["authorization"], headers["x-api-key"]];
    };
    expect(of({ apiKey: "engine" })).toEqual(["Bearer engine", undefined]);
    expect(of({})).toEqual([undefined, undefined]);
  });
});
