import { describe, expect, test } from "bun:test";
import type { EngineObject } from "../../src/discovery/engine-object.ts";
import { followServices } from "../../src/discovery/kubernetes-services.ts";
import type { Follow } from "../../src/discovery/kubernetes.ts";

const PORT = 8000;

const metadata = (name: string, version: string) => ({
  name,
  uid: `uid-of-${name}`,
  resourceVersion: version,
  creationTimestamp: "2026-11-23T01:29:30Z",
});

const service = (name: string, spec: object = {}, version = "1") => ({
  metadata: metadata(name, version),
  spec: { clusterIP: "10.96.0.7", ports: [{ port: PORT }], selector: { model: "opt" }, ...spec },
});

const addresses = (name: string, count: number, version = "1") => ({
  metadata: metadata(name, version),
  ...(count > 0 && { subsets: [{ addresses: Array.from({ length: count }, () => ({ ip: "10.0.0.1" })) }] }),
});

/** Follows two kinds that a test speaks for; `said` is everything that was said of engines. */
const start = () => {
  const said: string[] = [];
  const kinds = new Map<
    string,
    (type: "replaced" | "changed" | "deleted", values: readonly unknown[]) => void
  >();
  const selectors: Record<string, string> = {};
  const follow: Follow = (kind, { labelSelector, parse, onChange }) => {
    selectors[kind] = labelSelector;
    kinds.set(kind, (type, values) => {
      const objects = values.flatMap((value) => parse(value) ?? []);
      const [object] = objects;
      if (type === "replaced") onChange({ type, objects });
      else if (object) onChange({ type, object });
    });
    return { status: () => ({ isSynced: true, lastContactAt: 0 }), [Symbol.asyncDispose]: async () => {} };
  };
  const tell = ({ name, url, reason }: EngineObject): string => `${name} ${url ?? reason}`;
  followServices({ labelSelector: "environment=test", port: PORT }, follow, {
    replace: (objects) => said.push(`all: ${objects.map(tell).join(", ")}`),
    see: (object) => said.push(tell(object)),
    lose: ({ name }) => said.push(`${name} lost`),
  });
  const say = (kind: string, type: "replaced" | "changed" | "deleted", ...values: readonly unknown[]) => {
    said.length = 0;
    kinds.get(kind)?.(type, values);
    return said;
  };
  return { selectors, say };
};

const started = () => {
  const { say, selectors } = start();
  say("services", "replaced", service("a"), service("b"));
  say("endpoints", "replaced", addresses("a", 2), addresses("b", 0), addresses("other", 1));
  return { say, selectors };
};

describe("a service", () => {
  test("is an engine once both its kind and the addresses behind it are listed", () => {
    const { say } = start();
    expect(say("services", "replaced", service("a"), service("b"))).toEqual([]);
    expect(say("services", "changed", service("a"))).toEqual([]);
    expect(say("endpoints", "replaced", addresses("a", 1), addresses("b", 0))).toEqual([
      "all: a http://a:8000, b no pod behind it is ready",
    ]);
  });

  test("takes requests as soon as a pod behind it is ready, and none when the last one is not", () => {
    const { say } = started();
    expect(say("endpoints", "changed", addresses("b", 1))).toEqual(["b http://b:8000"]);
    expect(say("endpoints", "changed", addresses("b", 0))).toEqual(["b no pod behind it is ready"]);
    expect(say("endpoints", "changed", addresses("b", 1))).toEqual(["b http://b:8000"]);
    expect(say("endpoints", "deleted", addresses("b", 1))).toEqual(["b no pod behind it is ready"]);
  });

  test("is lost when it is deleted, and not heard of again with its addresses", () => {
    const { say } = started();
    expect(say("services", "deleted", service("a"))).toEqual(["a lost"]);
    expect(say("endpoints", "changed", addresses("a", 1))).toEqual([]);
  });

  test("that is not selected is no engine, whatever is behind it", () => {
    const { say, selectors } = started();
    expect(selectors).toEqual({ services: "environment=test", endpoints: "" });
    expect(say("endpoints", "changed", addresses("other", 2))).toEqual([]);
  });

  test.each([
    ["is no engine without the port of the engines", { ports: [{ port: 9000 }] }, "it has no port 8000"],
    ["is no engine without any port", { ports: null }, "it has no port 8000"],
    ["may be headless, without a port of its own", { clusterIP: "None", ports: null }, "http://a:8000"],
  ])("%s", (_what, spec, told) => {
    const { say } = started();
    expect(say("services", "changed", service("a", spec))).toEqual([`a ${told}`]);
  });

  test("is missing, rather than not ready, while a list has lost what is behind it", () => {
    const { say } = started();
    expect(say("endpoints", "replaced")).toEqual(["all: "]);
    expect(say("endpoints", "replaced", addresses("a", 1))).toEqual(["all: a http://a:8000"]);
  });
});
