import { expect, test } from "bun:test";
import { createEnginePaces } from "../../src/routing/engine-paces.ts";
import { createSpeeds } from "../../src/routing/engine-speed.ts";

test("each engine has a row of its own, which stays when others come", () => {
  const paces = createEnginePaces();
  const all = Array.from({ length: 1000 }, (_, index) => {
    const pace = paces.open();
    pace.showFactor(index + 1);
    pace.showRate(index + 2, index + 3);
    return pace;
  });
  const { factors, rates, ratesAt } = paces.columns();
  for (const [index, { row }] of all.entries()) {
    expect([factors[row], rates[row], ratesAt[row]]).toEqual([index + 1, index + 2, index + 3]);
  }
});

test("the factor of a speed is shown from the beginning, and when it has learned", () => {
  const paces = createEnginePaces();
  const speeds = createSpeeds();
  const [pace, other] = [paces.open(), paces.open()];
  const [slow, fast] = [speeds.open(pace), speeds.open(other)];
  const shown = () => [pace, other].map(({ row }) => paces.columns().factors[row]);
  expect(shown()).toEqual([1, 1]);
  for (let round = 0; round < 200; round += 1) {
    slow.observe(1000, 0, 400, round);
    fast.observe(1000, 0, 100, round);
  }
  expect(shown()).toEqual([slow.factor, fast.factor]);
  expect(slow.factor).toBeGreaterThan(fast.factor);
});

test("rows of engines that nobody knows any more are used again, and of no others", async () => {
  const paces = createEnginePaces();
  const kept = paces.open();
  const open = (): void => {
    for (let index = 0; index < 1000; index += 1) paces.open();
  };
  for (let round = 0; round < 30; round += 1) {
    open();
    Bun.gc(true);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    expect(paces.open().row).not.toBe(kept.row);
  }
  expect(paces.columns().factors.length).toBeLessThan(16 * 1024);
});
