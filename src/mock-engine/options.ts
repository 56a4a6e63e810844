import * as v from "valibot";
import { choice, commaList, decimalBetween, integerBetween, onOff, quote, text } from "../config/schemas.ts";
import { defaultsOf, type OptionTable, type OptionValues } from "../core/option.ts";
import { faultForms, parseFault } from "./faults.ts";

const most = 1_000_000_000;
const count = (least: number) => integerBetween(least, most);
const amount = decimalBetween(0, most, "must not be negative");

const modelNames = v.pipe(
  commaList,
  v.check(
    (names) => names.length > 0 && names.every((name) => name !== ""),
    "give at least one name, and none that is empty",
  ),
);

const isFault = (value: string): boolean => {
  try {
    parseFault(value);
    return true;
  } catch {
    return false;
  }
};

const fault = v.pipe(
  v.string(),
  v.check(isFault, (issue) => `${quote(issue.input)} is not one of ${Object.keys(faultForms).join(", ")}`),
  v.transform(parseFault),
);

const faultHelp = Object.entries(faultForms)
  .map(([form, meaning]) => `${form}: ${meaning}`)
  .join("; ");

/** The options of `vllm-router mock-engine`; flags that vLLM has too carry its names. */
export const mockEngineOptions = {
  host: {
    group: "Mock engine",
    help: "Address to listen on.",
    schema: text,
    argument: "<address>",
    default: "127.0.0.1",
  },
  port: {
    group: "Mock engine",
    help: "Port to listen on; 0 takes a free one, which is printed.",
    schema: integerBetween(0, 65_535),
    argument: "<port>",
    default: "8000",
  },
  servedModelName: {
    group: "Mock engine",
    help: "Names under which the model is served, separated by commas; answers carry the first.",
    schema: modelNames,
    argument: "<names>",
    default: "mock-model",
  },
  apiKey: {
    group: "Mock engine",
    help: "Key that requests to /v1 must present as a bearer token.",
    schema: text,
    argument: "<key>",
    secret: true,
  },
  maxModelLen: {
    group: "Mock engine",
    help: "Tokens of prompt and answer together; at most what the KV cache holds.",
    schema: count(1),
    argument: "<tokens>",
    default: "32768",
  },
  enableRequestIdHeaders: {
    group: "Mock engine",
    help: "Return x-request-id with every answer: the client's own, or a new one.",
    schema: onOff,
    default: "false",
  },
  keepAliveSeconds: {
    group: "Mock engine",
    help: "Seconds after which an idle connection is closed.",
    schema: amount,
    argument: "<seconds>",
    default: "5",
  },
  role: {
    group: "Mock engine",
    help: "Part in disaggregated prefill: prefill keeps prompts for others where a request's kv_transfer_params ask for it, decode fetches them and refuses what matches no prefill.",
    schema: choice(["prefill", "decode"]),
    argument: "<role>",
  },
  seed: {
    group: "Simulation",
    help: "Engines of the same seed give the same answer to the same prompt.",
    schema: count(0),
    argument: "<number>",
    default: "0",
  },
  answerTokens: {
    group: "Simulation",
    help: "Typical length of an answer that ends by itself, in tokens.",
    schema: count(1),
    argument: "<tokens>",
    default: "16",
  },
  timeScale: {
    group: "Simulation",
    help: "Speed of the simulated engine: 2 is twice as fast, 0 takes no time at all.",
    schema: amount,
    argument: "<factor>",
    default: "1",
  },
  maxNumBatchedTokens: {
    group: "Simulation",
    help: "Tokens that one step may compute.",
    schema: count(1),
    argument: "<tokens>",
    default: "8192",
  },
  maxNumSeqs: {
    group: "Simulation",
    help: "Requests that run at once; further ones wait.",
    schema: count(1),
    argument: "<requests>",
    default: "256",
  },
  blockSize: {
    group: "Simulation",
    help: "Tokens in a block of the KV cache.",
    schema: count(1),
    argument: "<tokens>",
    default: "16",
  },
  numGpuBlocks: {
    group: "Simulation",
    help: "Blocks of the KV cache.",
    schema: count(2),
    argument: "<blocks>",
    default: "32768",
  },
  prefillTokensPerSecond: {
    group: "Simulation",
    help: "Prompt tokens computed in a second.",
    schema: count(1),
    argument: "<tokens>",
    default: "8000",
  },
  decodeMs: {
    group: "Simulation",
    help: "Milliseconds of a step that decodes, whatever its size.",
    schema: amount,
    argument: "<ms>",
    default: "6",
  },
  decodeMsPerSeq: {
    group: "Simulation",
    help: "Milliseconds that each decoding request adds to a step.",
    schema: amount,
    argument: "<ms>",
    default: "0.35",
  },
  legacyMetrics: {
    group: "Simulation",
    help: "Report the gpu_* metric names of older engines instead of the current ones.",
    schema: onOff,
    default: "false",
  },
  fault: {
    group: "Faults",
    help: `A fault in answers, as the request header x-mock-fault asks for one. ${faultHelp}.`,
    schema: fault,
    argument: "<fault>",
  },
  faultEvery: {
    group: "Faults",
    help: "Put the fault into every so many requests; 1 means all.",
    schema: count(1),
    argument: "<requests>",
    default: "1",
  },
  faultScope: {
    group: "Faults",
    help: "Requests that the fault may meet: those for inference, or all.",
    schema: choice(["inference", "all"]),
    argument: "<scope>",
    default: "inference",
  },
} as const satisfies OptionTable;

/** The configuration of one simulated engine. */
export type MockEngineConfig = OptionValues<typeof mockEngineOptions>;

/** The configuration that the defaults give. */
export const defaultMockEngineConfig = (): MockEngineConfig => defaultsOf(mockEngineOptions);
