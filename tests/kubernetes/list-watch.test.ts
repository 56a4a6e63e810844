import { describe, expect, test } from "bun:test";
import { followPods, labels, startCluster, until } from "./following.ts";
import { settle } from "../support/clock.ts";

describe("following pods", () => {
  test("begins with a list, and goes on from its version with bookmarks", async () => {
    await using cluster = await startCluster();
    const { server, put, watched, api, clock } = cluster;
    put("a");
    server.store.put("pods", { metadata: { name: "other" } });
    await using followed = followPods(api, clock);
    await watched();
    expect(followed.names()).toEqual(["a"]);
    expect(server.requests[0]?.query).toEqual({
      labelSelector: "environment=test,release=test",
      limit: "250",
    });
    expect(server.requests[1]?.query).toEqual({
      labelSelector: "environment=test,release=test",
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: String(server.store.version()),
    });
    put("b");
    server.store.remove("pods", "a");
    await until(() => followed.names().join() === "b", "the changes");
    expect(followed.changes.map(({ type }) => type)).toEqual(["replaced", "changed", "deleted"]);
    expect(followed.status()).toEqual({ isSynced: true, lastContactAt: 0 });
  });

  test("sees what leaves the selector as it was before, and what comes back as new", async () => {
    await using cluster = await startCluster();
    const { server, put, watched, api, clock } = cluster;
    put("a");
    await using followed = followPods(api, clock);
    await watched();
    const label = (environment: string) =>
      server.store.edit("pods", "a", ({ metadata, ...rest }) => ({
        ...rest,
        metadata: { ...metadata, labels: { ...labels, environment } },
      }));
    label("prod");
    label("test");
    await until(() => followed.changes.length === 3, "two changes");
    expect(followed.changes.slice(1)).toMatchObject([
      { type: "deleted", object: { metadata: { labels } } },
      { type: "changed", object: { metadata: { labels } } },
    ]);
  });

  test("reads all pages of a list, and tells them at once", async () => {
    await using cluster = await startCluster();
    const { put, verbs, watched, api, clock } = cluster;
    for (let nth = 0; nth < 501; nth += 1) put(`pod-${nth}`);
    await using followed = followPods(api, clock);
    await watched();
    expect(verbs()).toEqual(["list", "list", "list", "watch"]);
    expect(followed.changes).toHaveLength(1);
    expect(followed.names()).toHaveLength(501);
  });

  test("asks for the life of a watch that is configured, and opens the next one at once", async () => {
    await using cluster = await startCluster();
    const { server, clock, verbs, watched, api } = cluster;
    await using _followed = followPods(api, clock, 60);
    await watched();
    expect(server.requests.at(-1)?.query).toMatchObject({ timeoutSeconds: "60" });
    clock.advance(60_000);
    await watched(2);
    expect(verbs()).toEqual(["list", "watch", "watch"]);
  });

  test("ends without a trace, in the middle of a watch, of a pause, or of a silence", async () => {
    await using cluster = await startCluster();
    const { server, clock, watched, api } = cluster;
    const first = followPods(api, clock);
    await watched();
    await first[Symbol.asyncDispose]();
    await until(() => server.watches.size === 0, "the watch is closed");
    expect(clock.waiting().length).toBe(0);

    server.hang(true);
    const second = followPods(api, clock);
    await until(() => server.requests.length === 3, "a request");
    await second[Symbol.asyncDispose]();
    await server.die();
    const third = followPods(api, clock);
    await until(() => third.failures.length === 1, "a failure");
    await third[Symbol.asyncDispose]();
    expect(clock.waiting()).toEqual([]);
  });
});

describe("a watch that ends", () => {
  test.each(["fin", "rst"] as const)(
    "by %s in the middle of a line goes on from the last version, without a list",
    async (how) => {
      await using cluster = await startCluster();
      const { server, put, verbs, watched, passPause, api, clock } = cluster;
      put("a");
      await using followed = followPods(api, clock);
      await watched();
      put("b");
      await until(() => followed.names().length === 2, "b");
      const version = String(server.store.version());
      for (const watch of server.watches) {
        watch.write('{"type":"ADDED","object":{"metadata":{"na');
        watch.cut(how);
      }
      put("c");
      expect(await passPause()).toBe(1000);
      await watched(2);
      expect(verbs()).toEqual(["list", "watch", "watch"]);
      expect(server.requests.at(-1)?.query).toMatchObject({ resourceVersion: version });
      await until(() => followed.names().length === 3, "c");
      expect(followed.logged.filter((line) => !line.startsWith("debug"))).toEqual([]);
    },
  );

  test("goes on from the version of its last bookmark", async () => {
    await using cluster = await startCluster();
    const { server, clock, watched, api } = cluster;
    await using followed = followPods(api, clock);
    await watched();
    server.store.put("pods", { metadata: { name: "not-selected" } });
    const version = String(server.store.version());
    clock.advance(60_000);
    await until(() => followed.status().lastContactAt === 60_000, "a bookmark");
    for (const watch of server.watches) watch.end();
    await watched(2);
    expect(server.requests.at(-1)?.query).toMatchObject({ resourceVersion: version });
    expect(followed.changes).toHaveLength(1);
  });

  test("because its version is too old is followed by a list, not sooner than 10 s after the one before", async () => {
    await using cluster = await startCluster();
    const { server, clock, put, verbs, lists, watched, isPausing, passPause, api } = cluster;
    put("a");
    put("b");
    await using followed = followPods(api, clock);
    await watched();
    server.store.remove("pods", "b");
    await until(() => followed.names().join() === "a", "the deletion");
    await server.die();
    server.store.remove("pods", "a");
    put("c");
    server.store.forget();
    await server.start();
    await passPause();
    await until(() => verbs().length === 3, "the watch that is refused");
    expect(lists()).toBe(1);
    while (lists() === 1) {
      await until(() => lists() === 2 || isPausing(), "a pause or a list");
      if (lists() === 1) await passPause();
    }
    expect(clock.monotonic()).toBeGreaterThanOrEqual(10_000);
    await watched(3);
    expect(followed.names()).toEqual(["c"]);
    expect(followed.failures).toEqual([]);
  });

  test("with 410 as its status is followed by a list as well", async () => {
    await using cluster = await startCluster();
    const { server, clock, verbs, watched, passPause, api } = cluster;
    await using followed = followPods(api, clock);
    await watched();
    const gone = { code: 410, body: { kind: "Status", message: "too old", code: 410 } };
    server.refuse(gone, 1, ["watch"]);
    for (const watch of server.watches) watch.cut("fin");
    await until(() => followed.logged.at(-1)?.includes("was cut") === true, "the cut");
    clock.advance(20_000);
    await until(() => verbs().length === 3, "the watch that is refused");
    await passPause();
    await watched(3);
    expect(verbs()).toEqual(["list", "watch", "watch", "list", "watch"]);
    expect(followed.changes.map(({ type }) => type)).toEqual(["replaced", "replaced"]);
  });

  test.each([
    ["garbage", "%$!\n"],
    [
      "an event of something else",
      '{"type":"ADDED","object":{"kind":"Pod","metadata":{"resourceVersion":"9"}}}\n',
    ],
    ["an error", '{"type":"ERROR","object":{"kind":"Status","message":"etcd is gone","code":500}}\n'],
    ["a line without end", `${"x".repeat(9 * 1024 * 1024)}\n`],
  ])("with %s is followed by a list: what was missed is unknown", async (_what, text) => {
    await using cluster = await startCluster();
    const { server, clock, put, lists, watched, passPause, api } = cluster;
    await using followed = followPods(api, clock);
    await watched();
    clock.advance(20_000);
    put("a");
    for (const watch of server.watches) watch.write(text);
    await until(() => followed.failures.length === 1 || lists() === 2, "a failure");
    for (const watch of server.watches) watch.cut("fin");
    await passPause();
    await watched(2);
    expect(followed.names()).toEqual(["a"]);
  });

  test("because nothing comes any more is opened again, without a list", async () => {
    await using cluster = await startCluster();
    const { server, clock, put, verbs, watched, api } = cluster;
    await using followed = followPods(api, clock);
    await watched();
    for (const watch of server.watches) watch.freeze();
    put("a");
    clock.advance(89_000);
    await settle();
    expect(verbs()).toHaveLength(2);
    clock.advance(1000);
    await watched(2);
    await until(() => followed.names().join() === "a", "what was missed");
    expect(verbs()).toEqual(["list", "watch", "watch"]);
    expect(followed.failures).toEqual([]);
  });
});
