import { describe, expect, test } from "bun:test";
import {
  describe as describeSoak,
  faultsOf,
  type Sample,
  slopeOf,
  type Soaked,
} from "../../../scripts/soak/report.ts";

const sampleAt = (seconds: number, residentKiB = 100_000): Sample => ({ seconds, residentKiB, files: 10 });
const samplesOf = (residentKiBAt: (seconds: number) => number): Sample[] =>
  Array.from({ length: 600 }, (_, second) => sampleAt(second, residentKiBAt(second)));

const good: Soaked = {
  seconds: 600,
  counts: { whole: { served: 90, told: 10 }, leaving: { left: 50 }, malformed: { refused: 5 } },
  lost: [],
  troubles: { killed: 3 },
  reloads: 2,
  samples: samplesOf(() => 100_000),
  before: sampleAt(0),
  after: sampleAt(607),
  busy: [],
  defects: [],
  exitCode: 0,
};

test("a slope is that of the line through the samples", () => {
  expect(slopeOf(samplesOf((seconds) => 1000 + 3 * seconds))).toBeCloseTo(3);
  expect(slopeOf([sampleAt(1)])).toBe(0);
  expect(slopeOf([])).toBe(0);
});

describe("a soak", () => {
  test("in which all is well has no fault, however memory comes and goes", () => {
    expect(faultsOf(good)).toEqual([]);
    expect(faultsOf({ ...good, samples: samplesOf((seconds) => 100_000 + (seconds % 60) * 500) })).toEqual(
      [],
    );
    // What is needed at all comes in the first third.
    expect(
      faultsOf({ ...good, samples: samplesOf((seconds) => 50_000 + Math.min(seconds, 200) * 250) }),
    ).toEqual([]);
  });

  test.each<[string, Partial<Soaked>, RegExp]>([
    ["loses requests", { counts: { whole: { served: 99, lost: 1 } } }, /^1 requests were lost$/],
    ["fails too often", { counts: { whole: { served: 80, told: 20 } } }, /^20 of 100 requests failed$/],
    ["serves nobody", { counts: { leaving: { left: 9 } } }, /^nothing was served$/],
    [
      "keeps descriptors",
      { after: { ...good.after, files: 21 } },
      /^21 descriptors are open; 10 were at first$/,
    ],
    ["keeps requests", { busy: ["vllm_router_queue_depth 1"] }, /^not 0 at rest: vllm_router_queue_depth 1$/],
    ["meets a defect", { defects: ["ERROR: x"] }, /^the router has defects: ERROR: x$/],
    ["ends badly", { exitCode: 137 }, /^the router ended with 137$/],
    [
      "takes more and more memory",
      { samples: samplesOf((seconds) => 100_000 + 40 * seconds) },
      /^memory grew by 16 MiB$/,
    ],
  ])("that %s has that fault", (_what, difference, fault) => {
    expect(faultsOf({ ...good, ...difference })).toEqual([expect.stringMatching(fault)]);
  });

  test("is described by its figures and by what was lost", () => {
    const lines = describeSoak({
      ...good,
      lost: [{ kind: "whole", outcome: "lost", answer: "HTTP/1.1 200 OK" }],
    });
    expect(lines[0]).toBe("600 s, 2 reloads, troubles: killed 3");
    expect(lines.at(-1)).toBe('lost whole: "HTTP/1.1 200 OK"');
  });
});
