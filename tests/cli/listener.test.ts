import { describe, expect, test } from "bun:test";
import { createListener, mostRequests } from "../../src/cli/listener.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { sendRaw } from "../support/raw-client.ts";

const LIMIT = 100;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A listener of which a test says how many descriptors are open. */
const start = () => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  let used = 10;
  let end = (): void => {};
  const serve = (port: number) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: async ({ url }) => {
        if (!url.endsWith("/held")) return new Response("whole");
        const { promise, resolve } = Promise.withResolvers<void>();
        end = resolve;
        await promise;
        return new Response("held");
      },
    });
  const listener = createListener(0, {
    listen: serve,
    descriptors: { limit: LIMIT, next: () => used },
    clock,
    log,
  });
  const port = Number(new URL(listener.origin).port);
  return {
    clock,
    listener,
    lines,
    port,
    end: () => end(),
    hold: async () => {
      const before = listener.pendingRequests;
      const client = sendRaw(port, GET.replace("/ ", "/held "));
      while (listener.pendingRequests === before) await settle();
      return client;
    },
    /** What a client that connects now gets. */
    ask: async (): Promise<string> => {
      using client = sendRaw(port, GET);
      return await Promise.race([client.until(/whole/), client.closed()]);
    },
    look: (open: number) => {
      used = open;
      clock.advance(250);
    },
    serve,
    [Symbol.asyncDispose]: async () => listener.stop(true),
  };
};

test("each request takes two of the descriptors, and a fifth of them stays free", () => {
  expect([64, 1024, 20_000].map((limit) => mostRequests({ limit }))).toEqual([25, 409, 8000]);
});

describe("when descriptors run out", () => {
  test("nobody is let in until there are enough again, on the same port", async () => {
    await using given = start();
    given.look(79);
    expect(await given.ask()).toContain("whole");
    given.look(80);
    expect(await given.ask()).toBe("");
    given.look(70);
    expect(await given.ask()).toBe("");
    given.look(69);
    expect(await given.ask()).toContain("whole");
    expect(given.listener.pendingRequests).toBe(0);
  });

  test("connections without a request are closed, requests under way go on and still count", async () => {
    await using given = start();
    using idle = sendRaw(given.port, GET);
    await idle.until(/whole/);
    using held = await given.hold();
    given.look(LIMIT);
    await idle.closed();
    given.look(10);
    using another = await given.hold();
    expect(given.listener.pendingRequests).toBe(2);
    const stopped = given.listener.stop();
    given.end();
    await another.until(/held/);
    expect(given.listener.pendingRequests).toBe(1);
    await given.listener.stop(true);
    await stopped;
    expect(await held.closed()).toBe("");
  });

  test("it is said once a minute at most", async () => {
    await using given = start();
    for (let time = 0; time < 10; time += 1) {
      given.look(90);
      given.look(10);
    }
    expect(given.lines).toHaveLength(1);
    expect(given.lines[0]).toContain(`No connections are accepted for now: most of the ${LIMIT} files`);
    given.clock.advance(60_000);
    given.look(90);
    expect(given.lines).toHaveLength(2);
  });

  test("a port that somebody else has taken meanwhile is tried again", async () => {
    await using given = start();
    given.look(90);
    await settle();
    const other = given.serve(given.port);
    given.look(10);
    expect(await given.ask()).toContain("whole");
    await other.stop(true);
    expect(await given.ask()).toBe("");
    given.look(10);
    expect(await given.ask()).toContain("whole");
  });
});

test("it ends with nothing left to do", async () => {
  const given = start();
  await given.listener.stop();
  expect([given.clock.waiting(), await given.ask()]).toEqual([[], ""]);
});
