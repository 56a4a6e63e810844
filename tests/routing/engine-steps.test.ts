import { expect, test } from "bun:test";
import { createProgress } from "../../src/routing/engine-progress.ts";
import { createEngineSteps } from "../../src/routing/engine-steps.ts";

const start = () => {
  const seen: (readonly [tokens: number, streams: number, ms: number, at: number])[] = [];
  const progress = createProgress();
  const { computed } = createEngineSteps(
    {
      tokensMs: (tokens) => tokens / 8,
      observe: (...step) => void seen.push(step),
    },
    progress,
  );
  return { computed, progress, seen };
};

test("prompts whose answers begin together are one step, learned when the next is over", () => {
  const { computed, progress, seen } = start();
  progress.serve(1000);
  computed(1500, 1600, 3);
  computed(1500, 1600, 4);
  computed(1502, 800, 4);
  expect(seen).toEqual([]);
  computed(1702, 1600, 5);
  expect(seen).toEqual([[4000, 3, 502, 1702]]);
});

test("prompts of an engine that is never idle take the time since the one before", () => {
  const { computed, progress, seen } = start();
  progress.serve(0);
  for (const at of [200, 400, 600]) computed(at, 1600, 0);
  expect(seen).toEqual([
    [1600, 0, 200, 400],
    [1600, 0, 200, 600],
  ]);
  expect(progress.servedAt).toBe(600);
});

test("the time in which an engine had no prompt counts for none", () => {
  const { computed, progress, seen } = start();
  progress.serve(0);
  computed(200, 1600, 0);
  progress.serve(9000);
  computed(9200, 1600, 1);
  progress.serve(20_000);
  computed(20_200, 1600, 1);
  expect(seen).toEqual([
    [1600, 0, 200, 9200],
    [1600, 1, 200, 20_200],
  ]);
});
