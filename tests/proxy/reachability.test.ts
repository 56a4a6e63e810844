import { expect, test } from "bun:test";
import { aborted } from "../../src/core/aborted.ts";
import type { EngineReach } from "../../src/core/engine-reach.ts";
import { createReachability } from "../../src/proxy/reachability.ts";
import { createTestClock, settle } from "../support/clock.ts";

const start = (reach: EngineReach) => {
  const clock = createTestClock();
  const asked: string[] = [];
  const isSilent = createReachability(
    { timeoutMs: 2000 },
    {
      clock,
      reach: async (url, signal) => {
        asked.push(url);
        return reach(url, signal);
      },
    },
  );
  return { clock, asked, isSilent };
};

const silent: EngineReach = async (_url, signal) => aborted(signal).then(() => false);

test("a host is silent when a connection to it has gone unanswered for the whole time", async () => {
  const { clock, isSilent } = start(silent);
  const answer = isSilent("http://e");
  clock.advance(1999);
  await settle();
  expect(Bun.peek.status(answer)).toBe("pending");
  clock.advance(1);
  expect(await answer).toBe(true);
  expect(clock.waiting()).toEqual([]);
});

test("one that accepts is not, and neither is one that refuses: it is alive", async () => {
  expect(await start(async () => true).isSilent("http://e")).toBe(false);
  expect(await start(async () => false).isSilent("http://e")).toBe(false);
});

test("however many ask, a host is asked once at a time", async () => {
  const { clock, asked, isSilent } = start(silent);
  const answers = ["http://a", "http://a", "http://b", "http://a"].map(isSilent);
  expect(asked).toEqual(["http://a", "http://b"]);
  clock.advance(2000);
  expect(await Promise.all(answers)).toEqual([true, true, true, true]);
  void isSilent("http://a");
  expect(asked).toEqual(["http://a", "http://b", "http://a"]);
});

test("nothing is said of a host while the loop was held up", async () => {
  const { clock, isSilent } = start(silent);
  const answer = isSilent("http://e");
  clock.stall(2300);
  clock.advance(0);
  expect(await answer).toBe(false);
});
