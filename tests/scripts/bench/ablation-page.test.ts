import { describe, expect, test } from "bun:test";
import {
  ablationOf,
  describeAblation,
  REQUESTS,
  STREAMS,
  withPart,
} from "../../../scripts/bench/ablation-page.ts";
import { FLOOR, ROUTER } from "../../../scripts/bench/contenders.ts";
import { describeResults } from "../../../scripts/bench/page.ts";
import { LAST_NEEDED, parts } from "../../../scripts/bench/parts.ts";
import type { Results } from "../../../scripts/bench/report.ts";
import { noResults, workload } from "./some-results.ts";

const relays = [FLOOR, ...parts.map(({ name }) => withPart(name)), ROUTER];

/** Of each relay in turn 10 us more: the lowest of the rounds is half of the median. */
const microsOf = (relay: string) => {
  const min = 20 + 10 * relays.indexOf(relay);
  return { min, median: 2 * min, max: 3 * min };
};

const reads = { median: 64, min: 64, max: 64 };

const results: Results = {
  ...noResults,
  contenders: relays.map((name) => ({ name, summary: `${name} does it` })),
  workloads: [
    workload(
      REQUESTS,
      relays.map((contender) => ({
        contender,
        errors: 0,
        saturated: {
          requestsPerSecond: reads,
          cpu: { microsPerRequest: microsOf(contender), busyPercent: reads },
        },
        steady: { reads },
      })),
    ),
    workload(STREAMS, [{ contender: FLOOR, errors: 0, steady: { reads, microsPerRead: microsOf(FLOOR) } }]),
  ],
};

describe("what the parts of the router cost", () => {
  const page = describeAblation(ablationOf(results));
  const rowOf = (name: string) => page.split("\n").find((line) => line.startsWith(`| \`${name}\``));

  test("is the lowest of the rounds, and how many times the bare relay that is", () => {
    expect(rowOf(FLOOR)).toBe("| `bare` | bare does it | 20.0 | 1.00 | 20.0 | 1.00 |");
    expect(rowOf("+ call")).toBe("| `+ call` | + call does it | 50.0 | 2.50 | - | - |");
  });

  test("tells the floor of what can be asked, where the router is, and the part that adds most", () => {
    const floor = (microsOf(withPart(LAST_NEEDED)).min / 20).toFixed(2);
    expect(page).toContain(`that is ${floor} times the bare relay`);
    expect(page).toContain(`with everything is at ${(microsOf(ROUTER).min / 20).toFixed(2)}`);
    expect(page).toContain("the dearest, `+ client`, adds 10.0 us");
  });

  test("says nothing of a floor where nothing was measured", () => {
    const empty = describeAblation(ablationOf({ ...results, workloads: [] }));
    expect(empty).toContain("| `router` | router does it | - | - | - | - |");
    expect(empty).not.toContain("the floor of what can be asked");
  });
});

test("the page of results tells it where it was measured", () => {
  expect(describeResults(results)).not.toContain("Where the floor is");
  expect(describeResults(results, ablationOf(results))).toContain("Where the floor is");
});
