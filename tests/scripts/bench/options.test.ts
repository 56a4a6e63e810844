import { describe, expect, test } from "bun:test";
import { contenders } from "../../../scripts/bench/contenders.ts";
import { parseOptions, usage } from "../../../scripts/bench/options.ts";
import { heldWorkloads } from "../../../scripts/bench/held-workloads.ts";
import { decidingPolicies } from "../../../scripts/bench/decision.ts";
import { DECISIONS } from "../../../scripts/bench/decisions.ts";
import { START } from "../../../scripts/bench/start.ts";
import { workloads } from "../../../scripts/bench/workloads.ts";

const namesIn = (args: readonly string[]) => {
  const options = parseOptions(args);
  if (options === "help") throw new Error("asked for help");
  return {
    contenders: options.contenders.map(({ name }) => name),
    workloads: [...options.workloads, ...options.heldWorkloads].map(({ name }) => name),
    starting: options.starting.map(({ name }) => name),
  };
};

describe("the command line of the benchmark", () => {
  test("compares the router with its rivals by default", () => {
    expect(parseOptions([])).toMatchObject({ rounds: 5, seconds: 3, connections: undefined });
    const rivals = contenders.filter(({ set }) => set === undefined).map(({ name }) => name);
    expect(namesIn([])).toEqual({
      contenders: rivals,
      starting: [...rivals, "router-executable"],
      workloads: [...workloads, ...heldWorkloads].map(({ name }) => name),
    });
  });

  test("compares policies, or fleets of several sizes, where that set is named", () => {
    const common = ["direct", "bare", "router"];
    expect(namesIn(["--set", "endpoints"]).contenders).toEqual([
      ...common,
      "router-8",
      "router-100",
      "router-1000",
    ]);
    const [, ...others] = namesIn(["--set", "policies"]).contenders.slice(2);
    expect(others).toEqual(
      decidingPolicies
        .filter((logic) => logic !== "roundrobin" && logic !== "session")
        .map((logic) => `router-${logic}`),
    );
  });

  test("measures for the page what its targets speak of, unless told otherwise", () => {
    const page = ["direct", "bare", "router", "nginx", "haproxy", "vllm-router-rs", "sglang-router"];
    expect(namesIn(["--write-docs"]).contenders).toEqual([
      ...page,
      "python-router",
      "router-prefixaware",
      "router-1000",
    ]);
    expect(namesIn(["--write-docs", "--contenders", "bare"]).contenders).toEqual(["bare"]);
  });

  test("--quick is one round of one second, unless told otherwise", () => {
    expect(parseOptions(["--quick"])).toMatchObject({ rounds: 1, seconds: 1 });
    expect(parseOptions(["--quick", "--rounds", "3", "--seconds=0.5"])).toMatchObject({
      rounds: 3,
      seconds: 0.5,
    });
  });

  test("takes contenders and workloads by name and keeps their order", () => {
    expect(namesIn(["--contenders", "router, bare", "--workloads", "stream-64"])).toEqual({
      contenders: ["bare", "router"],
      workloads: ["stream-64"],
      starting: [],
    });
    expect(namesIn(["--contenders", "nginx", "--workloads", "start"])).toEqual({
      contenders: ["nginx"],
      workloads: [],
      starting: ["nginx"],
    });
    expect(namesIn(["--workloads", "held-5000,json-1k"]).workloads).toEqual(["json-1k", "held-5000"]);
  });

  test.each([
    [["--set", "all"], "--set: there is no all; there are rivals, policies, endpoints, workers, targets"],
    [["--contenders", "bare,traefik"], "--contenders: there is no traefik; there are direct, bare,"],
    [["--workloads", "json"], "--workloads: there is no json; there are json-1k, stream-64"],
    [["--rounds", "1.5"], "--rounds: 1.5 is not a whole number"],
    [["--seconds", "soon"], "--seconds: soon is not a positive number"],
    [["--max-ratio", "much"], "--max-ratio: much is not a positive number"],
    [["--connections", "0"], "--connections: 0 is not a positive number"],
    [["--round", "1"], "Unknown option '--round'"],
  ])("refuses %j", (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });

  test("--help lists every contender and workload", () => {
    expect(parseOptions(["--help"])).toBe("help");
    for (const { name, summary } of [...contenders, ...workloads, ...heldWorkloads, START, DECISIONS])
      expect(usage).toMatch(new RegExp(`^  ${name} +${RegExp.escape(summary)}$`, "m"));
  });
});
