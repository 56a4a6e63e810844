import { describe, expect, test } from "bun:test";
import { type LeaveOptions, leave } from "../../src/cli/leave.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { sendRaw } from "../support/raw-client.ts";

const DELAY_MS = 10_000;
const TIMEOUT_MS = 300_000;

/** A server whose answers to `/held` never end by themselves, and that is asked to leave. */
const start = (options: Partial<LeaveOptions> = {}) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const [stopAccepting, stopNow] = [new AbortController(), new AbortController()];
  let end = (): void => {};
  let cuts = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      if (!url.endsWith("/held")) return new Response("whole");
      const { promise, resolve } = Promise.withResolvers<void>();
      end = resolve;
      const body = async function* () {
        yield "first,";
        await promise;
        yield "last";
      };
      return new Response(body());
    },
  });
  const get = (path: string) => sendRaw(server.port ?? 0, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const signals = { stopAccepting: stopAccepting.signal, stopNow: stopNow.signal };
  const cut = (): void => {
    cuts += 1;
    end();
  };
  let isOver = false;
  return {
    clock,
    port: server.port ?? 0,
    stopAccepting,
    stopNow,
    lines,
    cuts: () => cuts,
    isOver: () => isOver,
    end: () => end(),
    hold: async () => {
      const client = get("/held");
      await client.until(/first/);
      return client;
    },
    /** What a client that connects now gets. */
    ask: async (): Promise<string> => {
      const client = get("/");
      return Promise.race([client.until(/whole/), client.closed()]);
    },
    leave: async () => {
      const options_ = { delayMs: DELAY_MS, timeoutMs: TIMEOUT_MS, ...options };
      await leave(options_, { server, clock, log, ...signals, cut });
      isOver = true;
    },
    [Symbol.dispose]: () => void server.stop(true),
  };
};

describe("until the delay is over", () => {
  test("requests are taken, and then no more", async () => {
    using leaving = start();
    const left = leaving.leave();
    leaving.clock.advance(DELAY_MS - 1);
    expect(await leaving.ask()).toContain("whole");
    leaving.clock.advance(1);
    await left;
    expect(await leaving.ask()).toBe("");
    expect(leaving.clock.waiting()).toEqual([]);
  });

  test("a person who waits ends it", async () => {
    using leaving = start();
    const left = leaving.leave();
    leaving.stopAccepting.abort();
    await left;
    expect([leaving.cuts(), await leaving.ask()]).toEqual([0, ""]);
  });

  test("without one an idle server is left at once", async () => {
    using leaving = start({ delayMs: 0 });
    await leaving.leave();
    expect(leaving.lines).toEqual([]);
  });
});

test("a connection on which nobody has asked for anything is not waited for as a request is", async () => {
  using leaving = start({ delayMs: 0 });
  using silent = sendRaw(leaving.port, "GET / HTTP/1.1\r\n");
  // Whoever comes later is answered later.
  expect(await leaving.ask()).toContain("whole");
  const left = leaving.leave();
  await settle();
  expect(leaving.clock.waiting()).toEqual([1000]);
  leaving.clock.advance(1000);
  await left;
  expect([await silent.closed(), leaving.cuts()]).toEqual(["", 0]);
});

describe("requests under way", () => {
  test("end as they would, however long after the delay", async () => {
    using leaving = start();
    using client = await leaving.hold();
    const left = leaving.leave();
    leaving.clock.advance(DELAY_MS);
    await settle();
    leaving.clock.advance(TIMEOUT_MS - 1);
    leaving.end();
    await left;
    expect(await client.closed()).toEndWith("last\r\n0\r\n\r\n");
    expect(leaving.cuts()).toBe(0);
  });

  test("are cut when their time is over, and have a moment for their last words", async () => {
    using leaving = start();
    using client = await leaving.hold();
    const left = leaving.leave();
    leaving.clock.advance(DELAY_MS);
    await settle();
    leaving.clock.advance(TIMEOUT_MS);
    await left;
    expect(leaving.cuts()).toBe(1);
    expect(await client.closed()).toContain("last");
    expect(leaving.lines.at(-1)).toContain("WARNING: Cutting 1 request that did not end in time");
  });

  test.each([
    ["the delay", 0],
    ["their time", DELAY_MS],
  ])("are cut in %s when it is asked once more", async (_what, afterMs) => {
    using leaving = start();
    using _client = await leaving.hold();
    const left = leaving.leave();
    leaving.clock.advance(afterMs);
    await settle();
    leaving.stopNow.abort();
    await left;
    expect([leaving.cuts(), leaving.isOver()]).toEqual([1, true]);
  });
});
