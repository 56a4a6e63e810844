import type { Results } from "../../../scripts/bench/report.ts";

/** The rows of a workload that is like all others. */
export const workload = (name: string, rows: Results["workloads"][number]["rows"]) => ({
  name,
  summary: "requests",
  ratePerSecond: 100,
  latencyTo: "end" as const,
  connections: 8,
  pieces: 1,
  rows,
});

/** A run on a quiet machine of which nothing is known yet. */
export const noResults: Results = {
  machine: { cpu: "Test CPU", cpuCount: 4, memoryGb: 8, kernel: "Linux 6.1", bun: "1.4.5", load: 0.1 },
  settings: {
    rounds: 5,
    seconds: 3,
    engines: 2,
    router: "executable",
    placement: "none",
    closedLoop: "wrk",
  },
  contenders: [],
  workloads: [],
  held: [],
  starts: [],
  decisions: [],
};
