import { expect, test } from "bun:test";
import type { KubeApi } from "../../src/kubernetes/api.ts";
import { type Change, createListWatch, type KubeObject } from "../../src/kubernetes/list-watch.ts";
import { systemClock } from "../../src/platform.ts";

const log = {
  debug: () => {},
  info: () => {},
  infoBlock: () => {},
  warning: () => {},
  error: () => {},
  isEnabled: () => false,
};

const pod = (name: string, resourceVersion: string): KubeObject => ({
  metadata: { name, uid: `uid-${name}`, resourceVersion },
});

test("what is listed is the truth as a whole, and what is watched follows it", async () => {
  const watched = Promise.withResolvers<void>();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { searchParams } = new URL(request.url);
      if (!searchParams.has("watch")) {
        return Response.json({ metadata: { resourceVersion: "7" }, items: [pod("a", "5")] });
      }
      expect(searchParams.get("resourceVersion")).toBe("7");
      const events = [
        { type: "ADDED", object: pod("b", "8") },
        { type: "DELETED", object: pod("a", "9") },
      ];
      return new Response(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    },
  });
  const api: KubeApi = {
    request: async ({ method, path, query, signal }) =>
      fetch(`${server.url.origin}${path}?${new URLSearchParams(query).toString()}`, { method, signal }),
  };
  const changes: Change<KubeObject>[] = [];
  await using follower = createListWatch(
    {
      what: "pods",
      path: "/api/v1/namespaces/default/pods",
      labelSelector: "environment=test",
      timeoutSeconds: 0,
      parse: (value) => value as KubeObject,
      onChange: (change) => {
        changes.push(change);
        if (change.type === "deleted") watched.resolve();
      },
    },
    { api, clock: systemClock, random: () => 0, log },
  );
  await watched.promise;
  expect(changes).toEqual([
    { type: "replaced", objects: [pod("a", "5")] },
    { type: "changed", object: pod("b", "8") },
    { type: "deleted", object: pod("a", "9") },
  ]);
  expect(follower.status()).toMatchObject({ isSynced: true });
});
