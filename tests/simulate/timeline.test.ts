import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createTimeline, type Timeline } from "../../src/simulate/timeline.ts";

const runAll = (timeline: Timeline): void => {
  for (let task = timeline.next(); task; task = timeline.next()) task();
};

describe("virtual time", () => {
  test("runs tasks in the order of their times, those of one time in the order in which they were set", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (times) => {
        const timeline = createTimeline();
        const ran: [atMs: number, index: number][] = [];
        for (const [index, atMs] of times.entries()) {
          timeline.at(atMs, () => ran.push([timeline.monotonic(), index]));
        }
        runAll(timeline);
        const expected = times.map((atMs, index): [number, number] => [atMs, index]);
        expect(ran).toEqual(expected.sort((left, right) => left[0] - right[0] || left[1] - right[1]));
      }),
    );
  });

  test("a task that is called off does not run, and leaves time where it is", () => {
    const timeline = createTimeline();
    const ran: string[] = [];
    timeline.at(10, () => ran.push("kept"));
    timeline.at(50, () => ran.push("called off"))[Symbol.dispose]();
    runAll(timeline);
    expect([ran, timeline.monotonic()]).toEqual([["kept"], 10]);
  });

  test("never runs backwards: what is due in the past is due now", () => {
    const timeline = createTimeline();
    const ran: number[] = [];
    timeline.at(10, () => timeline.at(3, () => ran.push(timeline.now())));
    timeline.at(10, () => timeline.after(5, () => ran.push(timeline.now())));
    runAll(timeline);
    expect(ran).toEqual([10, 15]);
  });
});
