import { expect, test } from "bun:test";
import { type Cell, evenCells, standingIn } from "../../scripts/routing-standing.ts";
import { createMeter, type Measures } from "../../src/simulate/measures.ts";

const nothing = createMeter(1000).measures([], 1);

const cell = (policies: Readonly<Record<string, readonly Partial<Measures>[]>>): Cell => ({
  workload: "w",
  rate: 1,
  fleet: "8",
  faults: "",
  policies: Object.entries(policies).map(([policy, runs]) => ({
    policy,
    runs: runs.map((run) => ({ ...nothing, ...run })),
  })),
});

const times = (...values: readonly number[]) => values.map((ttftMeanMs) => ({ ttftMeanMs }));
const ttft = ({ ttftMeanMs }: Measures): number => ttftMeanMs;

test("a policy is compared with the best that can be had, which the oracle cannot", () => {
  const played = cell({ oracle: times(50), one: times(100), two: times(130) });
  expect(standingIn(played, "one", ttft)).toEqual({ ratio: 1, isTie: true });
  expect(standingIn(played, "two", ttft)).toEqual({ ratio: 1.3, isTie: false });
  expect(standingIn(played, "oracle", ttft).ratio).toBe(0.5);
});

test("what differs in every seed alike is told apart, however far the seeds are apart", () => {
  const played = cell({ one: times(100, 200, 400), two: times(105, 211, 416) });
  expect(standingIn(played, "two", ttft).isTie).toBe(false);
});

test("what is better with one seed and worse with another is a tie, as is one in a hundred", () => {
  expect(standingIn(cell({ one: times(100, 200), two: times(95, 210) }), "two", ttft).isTie).toBe(true);
  expect(standingIn(cell({ one: times(100, 100), two: times(101, 101) }), "two", ttft).isTie).toBe(true);
  expect(standingIn(cell({ one: times(100, 100), two: times(102, 102) }), "two", ttft).isTie).toBe(false);
});

test("cells count as even where the oracle keeps them so, and as reached with nine tenths of its hits", () => {
  const of = (hitRate: number, imbalance: number) => [{ hitRate, imbalance }];
  const cells = [
    cell({ oracle: of(0.8, 1.05), one: of(0.73, 1.1) }),
    cell({ oracle: of(0.8, 1.05), one: of(0.71, 1.05) }),
    cell({ oracle: of(0.8, 1.05), one: of(0.8, 1.2) }),
    cell({ oracle: of(0.8, 1.3), one: of(0.8, 1.1) }),
  ];
  expect(evenCells(cells, "one")).toEqual({ possible: 3, reached: 1 });
});
