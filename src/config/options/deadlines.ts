import type { OptionTable } from "../../core/option.ts";
import { decimalBetween } from "../schemas.ts";

/** Up to a day. */
const seconds = decimalBetween(0, 86_400, "give 0 to 86400 seconds; 0 is no limit");

/** How long the parts of a request may take. */
export const deadlineOptions = {
  requestBodyTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "120",
    help: "Time that a client has to send the body of its request, however steadily it does; 0 is no limit.",
  },
  upstreamConnectTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "2",
    help: "Silence after which an engine is given up if a fresh connection to it goes unanswered for as long; a stream that has begun is given three times that; 0 asks for no such proof.",
  },
  upstreamHeadTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "120",
    help: "Time that an engine has for the head of a stream's answer; 0 is no limit.",
  },
  upstreamFirstChunkTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "900",
    help: "Time that an engine has for the first bytes of an answer, which a long prefill takes minutes for; 0 is no limit.",
  },
  upstreamChunkIdleTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "300",
    help: "Longest pause between two chunks of an answer; 0 is no limit.",
  },
  requestTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "3600",
    help: "Time for a request from its arrival to the end of its answer, all attempts included; a client may ask for less in x-request-timeout-ms; 0 is no limit.",
  },
  clientStallTimeoutSeconds: {
    group: "Deadlines",
    argument: "<seconds>",
    schema: seconds,
    default: "60",
    help: "Time that a client may take nothing of an answer that waits for it; then its engine is freed; 0 is no limit.",
  },
} as const satisfies OptionTable;
