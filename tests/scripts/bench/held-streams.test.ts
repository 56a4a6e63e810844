import { describe, expect, test } from "bun:test";
import { createHeldStreams } from "../../../scripts/bench/held-streams.ts";

const GAP_MS = 4;

const createRig = () => {
  let now = 100;
  const sent: string[] = [];
  const streams = createHeldStreams<string>(GAP_MS, {
    monotonic: () => now,
    send: (sink) => {
      sent.push(sink);
    },
  });
  /** What is sent when the clock has moved on and the timer fires once. */
  const after = (milliseconds: number): readonly string[] => {
    now += milliseconds;
    streams.tick();
    return sent.splice(0).toSorted();
  };
  return { ...streams, after };
};

describe("streams that are held open", () => {
  test("get one event at every gap, evenly spread over it", () => {
    const { open, after } = createRig();
    for (const sink of ["a", "b", "c", "d", "e"]) open(sink);
    expect([after(1), after(1), after(1), after(1)]).toEqual([["a", "e"], ["b"], ["c"], ["d"]]);
    expect([after(1), after(1), after(1), after(1)]).toEqual([["a", "e"], ["b"], ["c"], ["d"]]);
  });

  test("get what a late timer missed, so that the rate holds", () => {
    const { open, after } = createRig();
    open("a");
    open("b");
    expect(after(2 * GAP_MS + 1)).toEqual(["a", "a", "a", "b", "b"]);
  });

  test("get nothing for the time in which there were none, and nothing when they are closed", () => {
    const { open, close, count, after } = createRig();
    expect(after(100 * GAP_MS)).toEqual([]);
    open("a");
    expect(after(GAP_MS)).toEqual(["a"]);
    close("a");
    expect(count()).toBe(0);
    expect(after(100 * GAP_MS)).toEqual([]);
  });
});
