import { describe, expect, test } from "bun:test";
import { createEngineRoom } from "../../src/admission/engine-room.ts";
import { createAdmissionState, createWaiting } from "../../src/admission/waiting.ts";
import { RouterError } from "../../src/core/errors.ts";
import { createTestClock, settle } from "../support/clock.ts";

interface Engine {
  readonly endpoint: { readonly id: string };
  readonly requests: { inPrefill: number; inDecode: number };
}

/** Room for two requests on each engine, and one chair. */
const start = () => {
  const clock = createTestClock();
  const state = createAdmissionState({ clock });
  const metrics = { queued: () => {}, rejected: () => {} };
  const waiting = createWaiting({ queueSize: 1, queueTimeoutMs: 30_000 }, { clock, state, metrics });
  const room = createEngineRoom(2, { state, waiting });
  const engine = (name: string): Engine => ({
    endpoint: { id: name },
    requests: { inPrefill: 0, inDecode: 0 },
  });
  const [a, b] = [engine("a"), engine("b")];
  let found: readonly [Engine, ...Engine[]] | undefined = [a, b];
  const client = (signal = new AbortController().signal) => ({
    signal,
    allowSilence: () => {},
    limitSilence: () => {},
    dueAt: Number.POSITIVE_INFINITY,
  });
  const among = (isAgain = false, signal?: AbortSignal) => room.among(() => found, client(signal), isAgain);
  const names = async (given: ReturnType<typeof among>): Promise<string> =>
    Promise.resolve(given).then(
      (engines) => engines?.map(({ endpoint }) => endpoint.id).join("") ?? "(none)",
      (error: unknown) => (error instanceof RouterError ? error.code : String(error)),
    );
  return {
    clock,
    freed: state.engines.freed,
    a,
    b,
    all: found,
    find: (engines: typeof found) => (found = engines),
    depth: () => state.engines.depth(),
    among,
    /** Names of those with room, or the code of the refusal. */
    ask: async (isAgain?: boolean, signal?: AbortSignal): Promise<string> => {
      try {
        return await names(among(isAgain, signal));
      } catch (error) {
        return error instanceof RouterError ? error.code : String(error);
      }
    },
  };
};

describe("engines that have room", () => {
  test("are all of them, as the very same array, while none is full", () => {
    const { among, all, a } = start();
    a.requests.inDecode = 1;
    expect(among()).toBe(all);
  });

  test("are those with fewer requests than may be, whatever stage these are in", async () => {
    const { ask, a } = start();
    Object.assign(a.requests, { inPrefill: 1, inDecode: 1 });
    expect(await ask()).toBe("b");
  });

  test("are none where none is found, which is not waited for", async () => {
    const { ask, find } = start();
    find(undefined);
    expect(await ask()).toBe("(none)");
  });
});

describe("where all are full", () => {
  const full = () => {
    const given = start();
    for (const { requests } of [given.a, given.b]) requests.inDecode = 2;
    return given;
  };

  test("one waits for the first that has room, and the next is turned away", async () => {
    const { freed, ask, b, depth } = full();
    const waiting = ask();
    await settle();
    expect(depth()).toBe(1);
    expect(await ask()).toBe("queue_full");
    b.requests.inDecode = 1;
    freed();
    expect(await waiting).toBe("b");
    expect(depth()).toBe(0);
  });

  test("whoever was overtaken waits again, although all chairs are taken", async () => {
    const { freed, ask, a } = full();
    const first = ask();
    const overtaken = ask(true);
    a.requests.inDecode = 1;
    freed();
    expect(await overtaken).toBe("a");
    expect(await first).toBe("a");
  });

  test("one that leaves waits no more, and nothing is left", async () => {
    const { clock, ask, depth } = full();
    const leaving = new AbortController();
    const waiting = ask(false, leaving.signal);
    await settle();
    leaving.abort();
    expect(await waiting).toBe("client_closed");
    expect([depth(), clock.waiting()]).toEqual([0, []]);
  });

  test("those who wait are told when no engine is left, and when one came", async () => {
    const { clock, ask, find } = full();
    const lost = ask();
    find(undefined);
    clock.advance(1000);
    expect(await lost).toBe("(none)");
  });

  test("an engine that comes is found within a second", async () => {
    const { clock, ask, find, a } = full();
    const waiting = ask();
    find([a, { endpoint: { id: "new" }, requests: { inPrefill: 0, inDecode: 0 } }]);
    clock.advance(1000);
    expect(await waiting).toBe("new");
  });
});
