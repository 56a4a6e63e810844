import { expect, test } from "bun:test";
import { describeRanking } from "../../../scripts/bench/ranking.ts";

test("policies are ranked as they were and as they were simulated, and the farthest mean is told", () => {
  const text = describeRanking([
    { policy: "one", real: 200, simulated: 190 },
    { policy: "two", real: 110, simulated: 100 },
  ]);
  expect(text).toContain("real two < one");
  expect(text).toContain("simulated two < one");
  expect(text).toEndWith("the same order, means at most 10.0 % apart");
});

test("two policies that the simulation has the wrong way round are named, unless they are a tie", () => {
  const one = { policy: "one", real: 100, simulated: 120 };
  expect(describeRanking([one, { policy: "two", real: 110, simulated: 100 }])).toContain(
    "but for one and two",
  );
  expect(describeRanking([one, { policy: "two", real: 102, simulated: 100 }])).toContain("the same order,");
});
