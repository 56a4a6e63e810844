import { describe, expect, test } from "bun:test";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../src/config/config.ts";
import { settle } from "./support/clock.ts";
import { configText, engines, follow, INTERVAL_MS, SETTLE_MS } from "./support/follow.ts";
import { routingBy } from "../src/routing/index.ts";

const UNCHANGED = "INFO: FILE has not changed";

test("nothing happens without a change, from the start on", async () => {
  await using live = await follow();
  const shown = await live.shown();
  for (let looks = 0; looks < 5; looks += 1) await live.look();
  expect(live.created).toHaveLength(1);
  expect(await live.shown()).toEqual(shown);
  expect(new Set(live.takeLines())).toEqual(new Set([UNCHANGED]));
  expect(live.router.status()).toEqual({ succeeded: 0, failed: 0 });
  expect(await live.metrics()).toEqual({ success: 0, failure: 0, successful: 1, timestamp: undefined });
});

describe("a change", () => {
  test("takes effect when it is seen and has settled, not before", async () => {
    await using live = await follow();
    await Bun.write(live.path, configText(engines(1, 2, 3)));
    live.clock.advance(INTERVAL_MS - 1);
    await settle();
    expect(live.isSettling()).toBe(false);
    live.clock.advance(1);
    await live.until(live.isSettling);
    expect((await live.shown())["static_backends"]).toBe(engines(1, 2));
    live.clock.advance(SETTLE_MS);
    await live.until(() => live.router.status().succeeded === 1);
    expect((await live.shown())["static_backends"]).toBe(engines(1, 2, 3));
    expect(live.takeLines()).toEqual(["INFO: The configuration of FILE is in effect: 3 engines, roundrobin"]);
    expect(live.router.status().lastAt).toBe(live.clock.now());
    expect((await live.get("/engines")).body).toHaveLength(3);
  });

  test("is seen at once when it is asked for", async () => {
    await using live = await follow();
    await Bun.write(live.path, configText(engines(3)));
    const looking = live.router.look();
    await live.until(live.isSettling);
    live.clock.advance(SETTLE_MS);
    await looking;
    expect(live.router.status().succeeded).toBe(1);
  });

  test("that is still being written is waited for", async () => {
    await using live = await follow();
    await Bun.write(live.path, configText(engines(1)).slice(0, 40));
    const looking = live.router.look();
    await live.until(live.isSettling);
    await Bun.write(live.path, configText(engines(1)));
    live.clock.advance(SETTLE_MS);
    await live.until(live.isSettling);
    expect(live.created).toHaveLength(1);
    live.clock.advance(SETTLE_MS);
    await looking;
    expect([live.router.status().succeeded, live.router.status().failed]).toEqual([1, 0]);
    expect(live.takeLines()).toHaveLength(1);
  });

  test("of form only makes no new router", async () => {
    await using live = await follow();
    await Bun.write(live.path, JSON.stringify(JSON.parse(configText(engines(1, 2))), undefined, 2));
    await live.look();
    expect(live.created).toHaveLength(1);
    expect(live.takeLines()).toContain("INFO: FILE has changed, but not what it says");
  });

  test("of the link that a ConfigMap is mounted by is one", async () => {
    const version = async (folder: string, name: string, backends: string) => {
      await mkdir(join(folder, name));
      await Bun.write(join(folder, name, "router.json"), configText(backends));
    };
    await using live = await follow({
      prepare: async (folder) => {
        await version(folder, "..one", engines(1));
        await symlink("..one", join(folder, "..data"));
        await symlink("..data/router.json", join(folder, "router.json"));
      },
    });
    await version(live.folder, "..two", engines(1, 2));
    await symlink("..two", join(live.folder, "..data_tmp"));
    await rename(join(live.folder, "..data_tmp"), join(live.folder, "..data"));
    await rm(join(live.folder, "..one"), { recursive: true });
    await live.look();
    expect((await live.shown())["static_backends"]).toBe(engines(1, 2));
  });

  test("keeps every option that the file does not name", async () => {
    await using live = await follow({
      argv: ["--max-instance-failover-reroute-attempts=3", "--idle-timeout-seconds=77"],
    });
    await Bun.write(live.path, configText(engines(3), { routing_logic: "session", session_key: "x-user" }));
    await live.look();
    const [before, after] = live.created;
    expect(after).toEqual({
      ...before,
      discovery: { kind: "static", backends: [{ url: engines(3), models: ["m"] }] },
      routing: routingBy("session", { sessionKey: "x-user" }),
      dynamicConfig: {
        ...before?.dynamicConfig,
        static_backends: engines(3),
        static_models: "m",
        routing_logic: "session",
        session_key: "x-user",
      },
    } as Config);
  });

  test("to what a flag says, or to what is read at the start only, is told to have no effect", async () => {
    await using live = await follow({ argv: ["--session-key=flag"] });
    await Bun.write(live.path, configText(engines(1), { session_key: "file", port: 9 }));
    await live.look();
    expect(live.takeLines()).toEqual([
      "WARNING: port in FILE has changed; it takes effect at the next start",
      "WARNING: session_key in FILE has no effect: --session-key is stronger",
      "INFO: The configuration of FILE is in effect: 1 engine, roundrobin",
      UNCHANGED,
    ]);
    expect((await live.shown())["session_key"]).toBe("flag");
    expect(live.created[1]?.server.port).toBe(8001);
    await Bun.write(live.path, configText(engines(2), { session_key: "file", port: 9 }));
    await live.look();
    expect(live.takeLines()).toEqual([
      "INFO: The configuration of FILE is in effect: 1 engine, roundrobin",
      UNCHANGED,
    ]);
  });
});

describe("a file that cannot be used", () => {
  test("changes nothing; each of its problems is logged once, and told until it is right", async () => {
    await using live = await follow();
    await Bun.write(live.path, configText("nonsense", { static_modells: "m", k8s_port: 99_999 }));
    await live.look();
    const problems = [
      expect.stringMatching(/^ERROR: static_modells in FILE: no such key; did you mean static_models\?$/),
      expect.stringMatching(/^ERROR: k8s_port in FILE: 99999 is out of range/),
      expect.stringMatching(/^ERROR: static_backends in FILE: "nonsense" is not an http or https URL/),
    ];
    const [headline, ...lines] = live.takeLines();
    expect(headline).toBe("WARNING: The configuration stays as it is, because of FILE:");
    expect(lines).toEqual([
      ...problems,
      expect.stringMatching(
        /^WARNING: FILE has not changed, and still cannot be used: static_modells.*; .*"nonsense" is not/,
      ),
    ]);
    expect(live.created).toHaveLength(1);
    expect(live.failures).toEqual([expect.stringMatching(/^The configuration file .*modells.*nonsense/)]);
    expect([await live.send(), (await live.shown())["static_backends"]]).toEqual([200, engines(1, 2)]);
    live.takeLines();

    live.clock.advance(INTERVAL_MS);
    await live.look();
    expect(live.takeLines()).toEqual([expect.stringMatching(/^WARNING: FILE has not changed, and still/)]);
    expect(await live.metrics()).toEqual({
      success: 0,
      failure: 1,
      successful: 0,
      timestamp: 1_700_000_010.25,
    });
    const { body } = await live.get("/readyz?verbose");
    expect(body["config"]).toEqual({
      reloads: 0,
      failed_reloads: 1,
      last_reload: expect.stringMatching(/^2023-11-14T22:13/),
      error: expect.stringMatching(/static_modells.*k8s_port.*nonsense/),
    });

    await Bun.write(live.path, configText(engines(3)));
    await live.look();
    expect((await live.shown())["static_backends"]).toBe(engines(3));
    expect(live.router.status()).toMatchObject({ succeeded: 1, failed: 1 });
    expect(live.router.status().error).toBeUndefined();
    expect(await live.metrics()).toMatchObject({ success: 1, failure: 1, successful: 1 });
  });

  test.each([
    ["half-written", async (path: string) => Bun.write(path, '{"service_disc'), /it is not JSON/],
    ["emptied", async (path: string) => Bun.write(path, ""), /FILE: it is empty$/],
    ["gone", async (path: string) => rm(path), /FILE: there is no such file$/],
    [
      "no text",
      async (path: string) => Bun.write(path, new Uint8Array([0xff])),
      /FILE: it is not UTF-8 text$/,
    ],
    ["a folder", async (path: string) => (await rm(path), mkdir(path)), /FILE: it is a directory$/],
  ] as const)(
    "because it is %s is told in one line, and is right again as it was",
    async (_, damage, reason) => {
      await using live = await follow();
      await damage(live.path);
      await live.look();
      const errors = () => live.takeLines().filter((line) => line.startsWith("ERROR"));
      expect(errors()).toEqual([expect.stringMatching(reason)]);
      await live.look();
      expect(errors()).toEqual([]);
      await rm(live.path, { recursive: true, force: true });
      await Bun.write(live.path, configText(engines(1, 2)));
      await live.look();
      expect(live.takeLines()).toEqual(expect.arrayContaining(["INFO: FILE says again what is in effect"]));
      expect(live.created).toHaveLength(1);
      expect(live.router.status().error).toBeUndefined();
    },
  );
});

describe("the router that was replaced", () => {
  test("ends the requests that are under way in it", async () => {
    const { promise: answer, resolve } = Promise.withResolvers<Response>();
    await using live = await follow({
      text: configText(engines(1)),
      answer: async (url) => (url.endsWith("completions") ? answer : Response.json({})),
    });
    const asked = live.send();
    await live.until(() => live.countAsked("/v1/chat/completions") === 1);
    await Bun.write(live.path, configText(engines(2)));
    await live.look();
    resolve(Response.json({}));
    expect(await asked).toBe(200);
    expect(live.countAsked(`${engines(1)}/v1/chat/completions`)).toBe(1);
  });

  test("asks engines nothing more", async () => {
    const answer = () => Response.json({ data: [{ id: "m" }] });
    const argv = [engines(1)];
    await using live = await follow({ text: '{"session_key": "0"}', argv, answer });
    await live.until(() => live.countAsked("/v1/models") === 1);
    for (let count = 1; count <= 5; count += 1) {
      await Bun.write(live.path, JSON.stringify({ session_key: String(count) }));
      await live.look();
      await settle();
    }
    expect(live.created).toHaveLength(6);
    const before = live.countAsked("/v1/models");
    live.inside.advance(30_000);
    await settle();
    expect(live.countAsked("/v1/models") - before).toBe(1);
  });
});

test("keys of the file take effect with it, and its absence lets everybody in again", async () => {
  await using live = await follow();
  expect((await live.get("/v1/models")).status).toBe(200);
  await Bun.write(live.path, configText(engines(1, 2), { api_key: "alice:sk-1" }));
  await live.look();
  expect((await live.get("/v1/models")).body).toMatchObject({ error: { code: "invalid_api_key" } });
  expect((await live.get("/health")).status).toBe(200);
  await Bun.write(live.path, configText(engines(1, 2)));
  await live.look();
  expect((await live.get("/v1/models")).status).toBe(200);
  expect(live.takeLines().join("\n")).not.toContain("sk-1");
});

describe("the end", () => {
  test("leaves no timer", async () => {
    const live = await follow();
    await Bun.write(live.path, configText(engines(3)));
    await live.look();
    await live[Symbol.asyncDispose]();
    expect([live.clock.waiting(), live.inside.waiting()]).toEqual([[], []]);
  });

  test.skipIf(process.platform === "win32")("does not wait for a file that never ends", async () => {
    const live = await follow();
    await rm(live.path);
    await Bun.$`mkfifo ${live.path}`.quiet();
    const looking = live.router.look();
    await settle();
    await live[Symbol.asyncDispose]();
    await looking;
    expect(live.created).toHaveLength(1);
  });

  test("does not wait for a change to settle, and makes no router any more", async () => {
    const live = await follow();
    await Bun.write(live.path, configText(engines(3)));
    live.clock.advance(INTERVAL_MS);
    await live.until(live.isSettling);
    await live[Symbol.asyncDispose]();
    expect(live.created).toHaveLength(1);
    expect([live.clock.waiting(), live.inside.waiting()]).toEqual([[], []]);
  });
});
