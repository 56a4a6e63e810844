import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RouterError } from "../../src/core/errors.ts";
import { createQueue } from "../../src/admission/queue.ts";
import { createTestClock, settle } from "../support/clock.ts";

const TIMEOUT_MS = 30_000;

/** A queue for things that a test gives back. */
const start = () => {
  const clock = createTestClock();
  const queue = createQueue({ clock });
  let free = 0;
  const got: string[] = [];
  const take = (): true | undefined => {
    if (free === 0) return undefined;
    free -= 1;
    return true;
  };
  const wait = (name: string, { signal = new AbortController().signal, isAgain = false } = {}) => {
    queue.wait(take, { timeoutMs: TIMEOUT_MS, signal, isAgain }).then(
      () => got.push(name),
      (error: unknown) => got.push(`${name}: ${error instanceof RouterError ? error.code : String(error)}`),
    );
  };
  return {
    clock,
    queue,
    got,
    wait,
    free: () => free,
    give: async (count = 1) => {
      free += count;
      queue.advance();
      await settle();
    },
  };
};

describe("those who wait", () => {
  test("have their turn in the order in which they came", async () => {
    const { queue, got, wait, give } = start();
    for (const name of ["a", "b", "c"]) wait(name);
    await give();
    expect(got).toEqual(["a"]);
    await give(2);
    expect(got).toEqual(["a", "b", "c"]);
    expect(queue.depth()).toBe(0);
  });

  test("go to the front where they had their turn before", async () => {
    const { got, wait, give } = start();
    wait("a");
    wait("b", { isAgain: true });
    await give();
    expect(got).toEqual(["b"]);
  });

  test("are told when their time is over, to the millisecond", async () => {
    const { clock, queue, got, wait } = start();
    wait("a");
    clock.advance(TIMEOUT_MS - 1);
    await settle();
    expect(got).toEqual([]);
    clock.advance(1);
    await settle();
    expect(got).toEqual(["a: queue_timeout"]);
    expect([queue.depth(), clock.waiting()]).toEqual([0, []]);
  });

  test("leave at once when their client does, and nothing is taken for them", async () => {
    const { clock, queue, got, wait, free, give } = start();
    const leaving = new AbortController();
    wait("a", { signal: leaving.signal });
    leaving.abort();
    expect(queue.depth()).toBe(0);
    await give();
    expect([got, free()]).toEqual([["a: client_closed"], 1]);
    expect(clock.waiting()).toEqual([]);
  });

  test("do not begin to wait for a client that is gone", async () => {
    const { queue, got, wait } = start();
    wait("a", { signal: AbortSignal.abort(new RouterError("router_shutdown", "It ends.")) });
    await settle();
    expect([got, queue.depth()]).toEqual([["a: router_shutdown"], 0]);
  });

  test("are told what the taking throws", async () => {
    const queue = createQueue({ clock: createTestClock() });
    let isGone = false;
    const waiting = queue.wait(
      () => {
        if (isGone) throw new RouterError("no_endpoint", "Nobody is left.");
      },
      { timeoutMs: TIMEOUT_MS, signal: new AbortController().signal },
    );
    isGone = true;
    queue.advance();
    expect(queue.depth()).toBe(0);
    expect(await waiting.catch((error: unknown) => error)).toMatchObject({ code: "no_endpoint" });
  });

  test("look by themselves every second, since nobody gives back an engine that is well again", async () => {
    const { clock, got, wait } = start();
    wait("a");
    clock.advance(999);
    expect(clock.waiting()).toEqual([1, TIMEOUT_MS - 999]);
    clock.advance(1);
    expect(clock.waiting()).toEqual([1000, TIMEOUT_MS - 1000]);
    expect(got).toEqual([]);
  });
});

test("whatever happens, everybody gets one thing or one reason, and nothing is lost or made", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("wait" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("leave" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("give" as const), at: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("pass" as const), at: fc.nat(20_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, queue, got, wait, give, free } = start();
      const clients: AbortController[] = [];
      let given = 0;
      for (const { kind, at } of steps) {
        if (kind === "wait") {
          const client = new AbortController();
          clients.push(client);
          wait(String(clients.length), { signal: client.signal });
          await give(0);
        } else if (kind === "leave") clients[at]?.abort();
        else if (kind === "pass") clock.advance(at);
        else {
          given += at;
          await give(at);
        }
        // What is left over is left because nobody waits.
        if (queue.depth() > 0) expect(free()).toBe(0);
      }
      clock.advance(TIMEOUT_MS);
      await settle();
      const served = got.filter((name) => !name.includes(":"));
      expect(got).toHaveLength(clients.length);
      expect(served.length + free()).toBe(given);
      expect([queue.depth(), clock.waiting()]).toEqual([0, []]);
      expect(served).toEqual(served.toSorted((left, right) => Number(left) - Number(right)));
    }),
    { numRuns: 300 },
  );
});
