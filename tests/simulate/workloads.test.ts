import { describe, expect, test } from "bun:test";
import { tokensOf } from "../../src/simulate/prompt.ts";
import { workloads } from "../../src/simulate/workloads/catalog.ts";
import type { Workload, WorkloadRequest } from "../../src/simulate/workloads/workload.ts";

const size = { requests: 400, rate: 1, engines: 4, seed: 1 };

/** All requests, each answer ending so long after its request came. */
const play = (
  { arrivals, next }: Workload,
  answerMs: (request: WorkloadRequest) => number,
): WorkloadRequest[] => {
  const requests: WorkloadRequest[] = [];
  const due = [...arrivals];
  for (let request = due.shift(); request; request = due.shift()) {
    requests.push(request);
    const following = next?.(request, request.atMs + answerMs(request));
    if (following) due.push(following);
    due.sort((left, right) => left.atMs - right.atMs);
  }
  return requests;
};

const second = () => 1000;
const contentsOf = (requests: readonly WorkloadRequest[]) =>
  requests.map(({ prompt, outputTokens, session }) => JSON.stringify([prompt, outputTokens, session])).sort();

describe.each(workloads)("the workload $name", ({ create }) => {
  test("has as many requests as were wanted, in order of time, whose lengths are those of their prompts", () => {
    const requests = play(create(size), second);
    expect(requests).toHaveLength(size.requests);
    for (const { prompt, promptTokens, outputTokens } of requests) {
      expect(tokensOf(prompt)).toBe(promptTokens);
      expect(outputTokens).toBeGreaterThan(0);
    }
    const times = [...create(size).arrivals].map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
  });

  test("is the same for a seed and another for another", () => {
    const contents = [1, 1, 2].map((seed) => contentsOf(play(create({ ...size, seed }), second)));
    expect(contents[0]).toEqual(contents[1] ?? []);
    expect(contents[0]).not.toEqual(contents[2] ?? []);
  });

  test("asks the same, whatever the answers take: policies are compared on equal work", () => {
    const quick = play(create(size), () => 100);
    const uneven = play(
      create(size),
      ({ promptTokens, outputTokens }) => (promptTokens * 7919 * outputTokens) % 60_000,
    );
    expect(contentsOf(uneven)).toEqual(contentsOf(quick));
  });

  test("comes twice as fast at twice the rate", () => {
    const spans = [1, 2].map((rate) => {
      const times = play(create({ ...size, requests: 6000, rate }), second).map(({ atMs }) => atMs);
      return Math.max(...times);
    });
    const [slow = 0, fast = 0] = spans;
    expect(slow / fast).toBeGreaterThan(1.5);
    expect(slow / fast).toBeLessThan(2.7);
  });
});
