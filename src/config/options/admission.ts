import type { OptionTable } from "../../core/option.ts";
import { integerBetween } from "../schemas.ts";

/** How many requests are taken, and what becomes of the others. */
export const admissionOptions = {
  maxConcurrentRequests: {
    group: "Admission",
    argument: "<count>",
    schema: integerBetween(1, 65_000),
    default: "4096",
    help: "Requests to engines under way at once; further ones wait (--queue-size) or are answered 429. The limit on open files may allow fewer.",
  },
  maxConcurrentRequestsPerEngine: {
    group: "Admission",
    argument: "<count>",
    schema: integerBetween(1, 65_000),
    help: "Requests to each engine under way at once; others go to engines that have room, and wait where none has. Unset, engines queue by themselves.",
  },
  queueSize: {
    group: "Admission",
    argument: "<count>",
    schema: integerBetween(0, 100_000),
    default: "0",
    help: "Requests that wait for their turn, in the order in which they came, where too many are under way; with 0 the engines do the queueing.",
  },
  queueTimeoutSeconds: {
    group: "Admission",
    argument: "<seconds>",
    schema: integerBetween(1, 86_400),
    default: "30",
    help: "Time for which a request waits for its turn before it is answered 429 (--queue-size).",
  },
} as const satisfies OptionTable;
