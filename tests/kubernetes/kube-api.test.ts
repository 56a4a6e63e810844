import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type KubeApiServer, startKubeApi } from "../support/kube-api.ts";
import type { NewObject, Resource } from "../support/kube-store.ts";
import { createTestClock } from "../support/clock.ts";
import { eventsOf, headOf, itemsOf, recorded, requestOf } from "./recordings.ts";

const ROUTER = "system:serviceaccount:default:vllm-router";

const tokens: Readonly<Record<string, string>> = {
  "Bearer <admin token>": "Bearer admin-token",
  "Bearer <token of ServiceAccount default/vllm-router>": "Bearer router-token",
};

const ask = async (server: KubeApiServer, name: string): Promise<Response> => {
  const { method, path, authorization, contentType } = requestOf(name);
  return fetch(server.url + path, {
    method,
    headers: {
      ...(authorization !== undefined && { authorization: tokens[authorization] ?? authorization }),
      ...(contentType !== undefined && { "content-type": contentType }),
    },
    ...(method !== "GET" && { body: recorded(`${name}.request.json`) }),
    tls: { ca: server.authority.ca },
    decompress: false,
  });
};

/** What differs from one server to the next, and from one second to the next. */
const OWN = /^(?:date|x-kubernetes-pf-|connection)/;

const headersOf = (headers: Iterable<readonly [string, string]>): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => !OWN.test(name) && name !== "transfer-encoding"));

/** Puts an object in at the version that it had. */
const restore = ({ store }: KubeApiServer, resource: Resource, object: NewObject): void => {
  const { kind: _kind, apiVersion: _apiVersion, ...own } = object as Record<string, unknown> & NewObject;
  store.skipTo(Number(object.metadata["resourceVersion"]) - 1);
  store.put(resource, own);
};

const sorted = (objects: readonly NewObject[]): readonly NewObject[] =>
  [...objects].sort(
    (left, right) => Number(left.metadata["resourceVersion"]) - Number(right.metadata["resourceVersion"]),
  );

let server: KubeApiServer;
beforeAll(async () => {
  server = await startKubeApi();
  server.tokens.set("router-token", ROUTER);
  const unlisted = {
    metadata: { name: "vllm-prod-0", labels: { environment: "prod" }, resourceVersion: "206" },
  };
  for (const pod of sorted([...itemsOf("pods-list"), unlisted])) restore(server, "pods", pod);
  server.store.skipTo(223);
});
afterAll(async () => server[Symbol.asyncDispose]());

/** Asks as the recording did, and holds status, headers and body against it. */
const compare = async (name: string): Promise<void> => {
  const answer = await ask(server, name);
  const { status, headers } = headOf(name);
  expect(answer.status).toBe(status);
  expect(headersOf(answer.headers)).toEqual(headersOf(headers));
  expect(await answer.text()).toBe(recorded(`${name}.json`));
};

describe("the API server for tests answers as a real one, byte for byte", () => {
  test.each([
    "pods-list",
    "pods-list-page1",
    "pods-list-page2",
    "pods-list-page3",
    "pods-list-unfiltered-page1",
    "pods-list-empty",
    "pods-list-bad-selector",
    "pods-get",
    "error-401-wrong-token",
    "error-401-wrong-token-watch",
    "error-403-anonymous",
    "error-403-no-rbac-list",
    "error-403-no-rbac-watch",
    "error-403-no-rbac-all-namespaces",
    "error-404-pod",
    "error-404-patch-pod",
    "error-400-bad-continue",
    "error-405-method",
    "error-500-bad-resource-version",
  ])("%s", compare);

  test("error-404-resource", async () => {
    const answer = await ask(server, "error-404-resource");
    expect(answer.status).toBe(404);
    expect(await answer.text()).toBe(recorded("error-404-resource.txt"));
  });

  test("a Role with get and list on pods of one namespace gives just that", async () => {
    server.rules.push({ user: ROUTER, verbs: ["get", "list"], resources: ["pods"], namespace: "default" });
    const { path } = requestOf("pods-list");
    const allowed = await fetch(server.url + path, {
      headers: { authorization: "Bearer router-token" },
      tls: { ca: server.authority.ca },
    });
    expect(await allowed.text()).toBe(recorded("pods-list.json"));
    await compare("error-403-role-without-watch");
    await compare("error-403-role-without-patch");
    await compare("error-403-role-services");
    await compare("error-403-other-namespace");
  });

  test("an expired page: 410 with a token that goes on at the newest state", async () => {
    await using other = await startKubeApi();
    const labels = { environment: "test", release: "test" };
    for (const name of ["vllm-base-0", "vllm-exp-0", "vllm-exp-1"])
      other.store.put("pods", { metadata: { name, labels } });
    other.store.skipTo(471);
    const first = (await (
      await fetch(`${other.url}/api/v1/namespaces/default/pods?limit=2`, {
        headers: { authorization: "Bearer admin-token" },
        tls: { ca: other.authority.ca },
      })
    ).json()) as { readonly metadata: { readonly continue: string } };
    expect(requestOf("error-410-continue-expired").path).toEndWith(first.metadata.continue);
    other.compact();
    const answer = await ask(other, "error-410-continue-expired");
    expect(answer.status).toBe(410);
    const text = await answer.text();
    expect(text).toBe(recorded("error-410-continue-expired.json"));
    const { metadata } = JSON.parse(text) as { readonly metadata: { readonly continue: string } };
    const rest = await fetch(
      `${other.url}/api/v1/namespaces/default/pods?limit=2&continue=${metadata.continue}`,
      { headers: { authorization: "Bearer admin-token" }, tls: { ca: other.authority.ca } },
    );
    expect(await rest.json()).toMatchObject({ items: [{ metadata: { name: "vllm-exp-1" } }] });
  });

  test("a long list is compressed where that is wanted", async () => {
    await using big = await startKubeApi();
    for (let nth = 0; nth < 65; nth += 1) {
      const [{ metadata, ...rest } = { metadata: { name: "" } }] = itemsOf("pods-list");
      big.store.put("pods", {
        ...rest,
        metadata: { ...metadata, name: `vllm-big-${nth}`, uid: `uid-${nth}` },
      });
    }
    const answer = await fetch(`${big.url}/api/v1/namespaces/default/pods`, {
      headers: { authorization: "Bearer admin-token", "accept-encoding": "gzip" },
      tls: { ca: big.authority.ca },
      decompress: false,
    });
    expect(headersOf(answer.headers)).toEqual(headersOf(headOf("pods-list-gzip").headers));
    const text = Buffer.from(Bun.gunzipSync(new Uint8Array(await answer.arrayBuffer()))).toString();
    expect((JSON.parse(text) as { readonly items: readonly unknown[] }).items).toHaveLength(65);
  });

  test.each([
    "patch-strategic-merge",
    "patch-strategic-merge-noop",
    "patch-strategic-merge-remove",
    "patch-merge",
    "patch-merge-remove",
    "patch-merge-invalid-label",
    "patch-json-patch",
    "patch-json-patch-remove",
    "patch-wrong-content-type",
    "patch-conflict",
  ])("%s", async (name) => {
    const expected = JSON.parse(recorded(`${name}.json`)) as NewObject;
    const version = Number(expected.metadata["resourceVersion"]);
    if (!name.endsWith("noop") && !Number.isNaN(version)) server.store.skipTo(version - 1);
    const answer = await ask(server, name);
    const { status, headers } = headOf(name);
    expect(answer.status).toBe(status);
    const { ["content-length"]: _length, ...others } = headersOf(answer.headers);
    const { ["content-length"]: _recorded, ...wanted } = headersOf(headers);
    expect(others).toEqual(wanted);
    // Who changed which field is nothing that anybody asks this server for.
    const withoutManagers = ({
      metadata: { managedFields: _managers, ...metadata },
      ...rest
    }: NewObject) => ({
      ...rest,
      metadata,
    });
    expect(withoutManagers((await answer.json()) as NewObject)).toEqual(withoutManagers(expected));
  });
});

/** Reads a watch to its end. */
const watched = async (from: KubeApiServer, path: string): Promise<readonly string[]> => {
  const answer = await fetch(from.url + path, {
    headers: { authorization: "Bearer admin-token" },
    tls: { ca: from.authority.ca },
  });
  return (await answer.text()).split("\n").filter((line) => line !== "");
};

/** Lets a watch begin, then ends it. */
const watchThrough = async (
  from: KubeApiServer,
  path: string,
  during: () => void,
): Promise<readonly string[]> => {
  const lines = watched(from, path);
  while (from.watches.size === 0) await Bun.sleep(1);
  during();
  for (const watch of from.watches) {
    watch.bookmark();
    watch.end();
  }
  return lines;
};

describe("its watches tell what those of a real one tell", () => {
  const isEvent = (line: string): boolean => !line.startsWith('{"type":"BOOKMARK"');

  /** Every state of the two pods, those outside of the selector from the watch of one pod by its name. */
  const states = [...eventsOf("watch-pods"), ...eventsOf("watch-field-selector")].filter(
    ({ type }) => type !== "BOOKMARK",
  );
  const versions = [...new Set(states.map(({ object }) => Number(object.metadata.resourceVersion)))].sort(
    (left, right) => left - right,
  );

  const live = (from: KubeApiServer): void => {
    for (const version of versions) {
      const here = states.filter(({ object }) => Number(object.metadata.resourceVersion) === version);
      const seen = here.find(({ type }) => type !== "DELETED");
      const gone = here.find(({ type }) => type === "DELETED");
      if (seen) restore(from, "pods", seen.object);
      else if (gone) {
        from.store.skipTo(version - 1);
        from.store.remove("pods", gone.object.metadata.name);
      }
    }
  };

  test("the life of two pods, over a selector that one of them leaves and comes back to", async () => {
    await using recording = await startKubeApi();
    for (const pod of itemsOf("watch-start-list")) restore(recording, "pods", pod);
    recording.store.skipTo(264);
    const { path } = requestOf("watch-pods");
    const lines = await watchThrough(recording, path, () => live(recording));
    const expected = recorded("watch-pods.jsonl").trim().split("\n");
    expect(lines.filter(isEvent).map((line) => JSON.parse(line))).toEqual(
      expected.filter(isEvent).map((line) => JSON.parse(line)),
    );
    expect(lines.at(-1)).toBe(expected.at(-1));
    // What was missed is told in the same way to who comes late.
    expect((await watchThrough(recording, path, () => {})).filter(isEvent)).toEqual(lines.filter(isEvent));
  });

  test("Endpoints that come and go", async () => {
    await using recording = await startKubeApi();
    for (const endpoints of itemsOf("endpoints-list")) restore(recording, "endpoints", endpoints);
    recording.store.skipTo(303);
    const lines = await watchThrough(recording, requestOf("endpoints-watch").path, () => {
      for (const { type, object } of eventsOf("endpoints-watch")) {
        if (type === "ADDED" || type === "MODIFIED") restore(recording, "endpoints", object);
        if (type === "DELETED") {
          recording.store.skipTo(Number(object.metadata.resourceVersion) - 1);
          recording.store.remove("endpoints", object.metadata.name);
        }
      }
    });
    expect(lines.filter(isEvent).map((line) => JSON.parse(line))).toEqual(
      eventsOf("endpoints-watch").filter(({ type }) => type !== "BOOKMARK"),
    );
  });

  test("a version that is too old: 200, one ERROR event, and the end", async () => {
    await using restarted = await startKubeApi();
    restarted.store.skipTo(475);
    restarted.forget();
    const { path } = requestOf("watch-410-error-event");
    expect(await watched(restarted, path)).toEqual([recorded("watch-410-error-event.jsonl").trim()]);
  });

  test("a quiet watch has no bookmark, others one a minute and one before their end", async () => {
    const clock = createTestClock();
    await using quiet = await startKubeApi({ clock });
    const path =
      "/api/v1/namespaces/default/pods?watch=true&resourceVersion=100&allowWatchBookmarks=true&timeoutSeconds=75";
    const lines = watched(quiet, path);
    while (quiet.watches.size === 0) await Bun.sleep(1);
    clock.advance(60_000);
    quiet.store.put("pods", { metadata: { name: "a" } });
    clock.advance(15_000);
    expect((await lines).map((line) => (JSON.parse(line) as { readonly type: string }).type)).toEqual([
      "ADDED",
      "BOOKMARK",
    ]);
  });
});
