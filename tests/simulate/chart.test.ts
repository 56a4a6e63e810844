import { describe, expect, test } from "bun:test";
import { drawChart } from "../../src/simulate/chart.ts";
import { createMeter } from "../../src/simulate/measures.ts";

const runOf = (...ttftMs: readonly number[]) => {
  const meter = createMeter(1000);
  for (const each of ttftMs) meter.finished(each, each, 1);
  return meter.measures([], 1000);
};

const widthsIn = (svg: string): readonly number[] =>
  [...svg.matchAll(/<rect [^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));

describe("a chart", () => {
  test("has a bar for each policy, as far again for every factor of ten", () => {
    const policies = [10, 100, 1000].map((ms) => ({ policy: `at-${ms}`, runs: [runOf(ms)] }));
    const [first = 0, second = 0, third = 0] = widthsIn(drawChart(policies, "title"));
    expect(first).toBe(0);
    expect(third).toBeCloseTo(2 * second, 0);
    expect(second).toBeGreaterThan(100);
  });

  test("is XML whatever the names are", () => {
    const svg = drawChart([{ policy: "a<b", runs: [runOf(5)] }], 'R&D "x"');
    expect(svg).toContain("a&lt;b");
    expect(svg).toContain("R&amp;D &quot;x&quot;");
  });

  test("of nothing is an empty one", () => {
    expect(drawChart([], "nothing")).not.toContain("NaN");
    expect(drawChart([{ policy: "p", runs: [runOf()] }], "nothing")).not.toContain("NaN");
  });
});
