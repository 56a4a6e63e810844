import type { OptionTable } from "../../core/option.ts";
import { choice, decimalBetween, integerBetween, onOff } from "../schemas.ts";

/** When engines that fail are left out, and how they come back. */
export const resilienceOptions = {
  disableCircuitBreaker: {
    group: "Failing engines",
    schema: onOff,
    default: "false",
    help: "Goes on sending requests to engines that fail on them; health checks are another thing (--disable-health-check).",
  },
  cbFailureThreshold: {
    group: "Failing engines",
    argument: "<count>",
    schema: integerBetween(1, 1000),
    default: "5",
    help: "Requests in a row that an engine fails on before it is ejected; it is as well when more than half of at least 20 fail in --cb-window-duration-secs. At most half of a model's engines are ejected at once, never its only one.",
  },
  cbSuccessThreshold: {
    group: "Failing engines",
    argument: "<count>",
    schema: integerBetween(1, 1000),
    default: "1",
    help: "Requests in a row that an ejected engine has to answer, one at a time, before it gets its share again.",
  },
  cbTimeoutDurationSecs: {
    group: "Failing engines",
    argument: "<seconds>",
    schema: decimalBetween(0.1, 3600, "give 0.1 to 3600 seconds"),
    default: "5",
    help: "Time until an ejected engine is probed with a request, 20 % more or less; twice as long the second time and so on, a minute at most. Three times that, at most 15 s, is the least time between two changes of mind about an engine.",
  },
  cbWindowDurationSecs: {
    group: "Failing engines",
    argument: "<seconds>",
    schema: decimalBetween(1, 3600, "give 1 to 3600 seconds"),
    default: "30",
    help: "Time over which the share of failed requests is taken.",
  },
  panicMode: {
    group: "Failing engines",
    argument: "<mode>",
    schema: choice(["route", "fail"]),
    default: "route",
    help: "What happens with less than half of a model's engines left: route sends requests to ejected engines as well, those that cannot be reached excepted; fail sends them to the rest only, and answers 503 where there is none.",
  },
  slowStartSecs: {
    group: "Failing engines",
    argument: "<seconds>",
    schema: decimalBetween(0, 3600, "give 0 to 3600 seconds"),
    default: "30",
    help: "Time over which an engine that is new or came back gets its share of requests, from a tenth on; 0 gives it at once.",
  },
} as const satisfies OptionTable;
