import { expect, test } from "bun:test";
import { parseSchedstat, readThreads, usedBetween } from "../../../scripts/bench/threads.ts";

test("a thread's time on a processor is the first number, in nanoseconds", () => {
  expect(parseSchedstat("1234567890 1111 22\n")).toBe(1234.56789);
});

test("the busiest thread comes first; one that is new has used all that it has", () => {
  const before = new Map([
    ["1", 100],
    ["2", 50],
    ["gone", 7],
  ]);
  const after = new Map([
    ["1", 110],
    ["2", 90],
    ["3", 25],
  ]);
  expect(usedBetween(before, after)).toEqual([40, 25, 10]);
});

test.if(process.platform === "linux")("what this process uses is seen", async () => {
  const before = await readThreads(process.pid);
  const until = performance.now() + 30;
  while (performance.now() < until);
  const [busiest = 0] = usedBetween(before, await readThreads(process.pid));
  expect(busiest).toBeGreaterThan(0);
});
