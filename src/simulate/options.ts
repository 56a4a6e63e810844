import * as v from "valibot";
import { choice, commaList, decimalBetween, integerBetween, onOff, text } from "../config/schemas.ts";
import type { OptionTable } from "../core/option.ts";
import { mockEngineOptions } from "../mock-engine/options.ts";
import { policyOptions } from "../routing/index.ts";
import { parseFleet } from "./engine-kinds.ts";
import { faultForms } from "./fault-events.ts";
import { simulatedPolicies } from "./policies.ts";
import { SESSION_HEADER } from "./simulation.ts";
import { workloads } from "./workloads/catalog.ts";

const names = simulatedPolicies.map(({ name }) => name);

const policyNames = v.pipe(
  commaList,
  v.check((given) => given.length > 0, "name one policy at least"),
  v.check(
    (given) => given.every((name) => names.includes(name)),
    (issue) =>
      `${issue.input.find((name) => !names.includes(name))} is no policy; there are ${names.join(", ")}`,
  ),
);

const isFleet = (given: string): boolean => {
  try {
    parseFleet(given);
    return true;
  } catch {
    return false;
  }
};

const engine = <Name extends keyof typeof mockEngineOptions>(name: Name) => ({
  ...mockEngineOptions[name],
  group: "Standard engine",
});

/** The options of `vllm-router simulate`. */
export const simulateOptions = {
  policies: {
    group: "Simulation",
    help: `Policies to compare, separated by commas: ${names.join(", ")}.`,
    schema: policyNames,
    argument: "<names>",
    default: "roundrobin,leastload,prefixaware,cacheaware",
  },
  workload: {
    group: "Simulation",
    help: "What comes to the router.",
    schema: choice(workloads.map(({ name }) => name)),
    argument: "<name>",
    default: "shared-prefix",
  },
  trace: {
    group: "Simulation",
    help: "A recorded workload instead: Mooncake JSON lines or Azure CSV.",
    schema: text,
    argument: "<file>",
  },
  requests: {
    group: "Simulation",
    help: "Requests of the workload; of a trace the first ones, all where it is not given.",
    schema: integerBetween(1, 100_000_000),
    argument: "<count>",
  },
  rate: {
    group: "Simulation",
    help: "Load: 2 sends the same requests in half the time.",
    schema: decimalBetween(0.001, 1000, "give 0.001 to 1000"),
    argument: "<factor>",
    default: "1",
  },
  engines: {
    group: "Simulation",
    help: "Engines: a number, or kinds such as 4xfast,4xslow.",
    schema: v.pipe(
      v.string(),
      v.check(isFleet, "write a number, or kinds such as 4xfast,4xslow of standard, fast, slow"),
    ),
    argument: "<fleet>",
    default: "8",
  },
  faults: {
    group: "Simulation",
    help: `What befalls engines, separated by commas. ${Object.entries(faultForms)
      .map(([form, meaning]) => `${form}: ${meaning}`)
      .join("; ")}.`,
    schema: text,
    argument: "<faults>",
    default: "",
  },
  ttftLimitMs: {
    group: "Simulation",
    help: "Milliseconds within which a first token counts towards goodput.",
    schema: decimalBetween(0, 1e9, "must not be negative"),
    argument: "<ms>",
    default: "2000",
  },
  seed: {
    group: "Simulation",
    help: "Workloads of one seed are equal.",
    schema: integerBetween(0, 1_000_000_000),
    argument: "<number>",
    default: "1",
  },
  seeds: {
    group: "Simulation",
    help: "Runs of each policy, with one seed after the other; the spread is printed.",
    schema: integerBetween(1, 1000),
    argument: "<count>",
    default: "1",
  },
  json: {
    group: "Simulation",
    help: "Print JSON, every run by itself.",
    schema: onOff,
    default: "false",
  },
  chart: {
    group: "Simulation",
    help: "Also draw the times to the first token, as SVG.",
    schema: text,
    argument: "<file>",
  },
  prefillTokensPerSecond: engine("prefillTokensPerSecond"),
  decodeMs: engine("decodeMs"),
  decodeMsPerSeq: engine("decodeMsPerSeq"),
  maxNumBatchedTokens: engine("maxNumBatchedTokens"),
  maxNumSeqs: engine("maxNumSeqs"),
  blockSize: engine("blockSize"),
  numGpuBlocks: engine("numGpuBlocks"),
  ...policyOptions,
  sessionKey: { ...policyOptions.sessionKey, default: SESSION_HEADER },
} as const satisfies OptionTable;
