import * as v from "valibot";
import type { OptionTable } from "../../core/option.ts";
import { logFormats, logLevels } from "../../core/log.ts";
import { choice, integerBetween, quote, text } from "../schemas.ts";

/** Of threads; far more than a router in front of engines needs. */
const MOST_WORKERS = 64;

const workerCount = v.union(
  [v.literal("auto"), integerBetween(1, MOST_WORKERS)],
  (issue) => `${quote(issue.input)} is neither auto nor a number from 1 to ${MOST_WORKERS}`,
);

/** How the router listens, limits and logs. */
export const serverOptions = {
  host: {
    group: "Server",
    argument: "<address>",
    schema: text,
    default: "0.0.0.0",
    atStart: true,
    help: "Address to listen on.",
  },
  port: {
    group: "Server",
    argument: "<port>",
    schema: integerBetween(0, 65_535),
    default: "8001",
    atStart: true,
    help: "Port to listen on; 0 takes a free one, which the log names.",
  },
  workers: {
    group: "Server",
    argument: "<count>",
    schema: workerCount,
    default: "1",
    atStart: true,
    help: "Threads that serve requests on the one port; auto takes one for each processor, at most 4. More than 1 only on Linux.",
  },
  adminHost: {
    group: "Server",
    argument: "<address>",
    schema: text,
    default: "127.0.0.1",
    atStart: true,
    help: "Address of the second listener (--admin-port).",
  },
  adminPort: {
    group: "Server",
    argument: "<port>",
    schema: integerBetween(0, 65_535),
    atStart: true,
    help: "Port of a second listener, which takes /metrics, /engines, /sleep, /wake_up and /is_sleeping away from the first; health is on both.",
  },
  rootPath: {
    group: "Server",
    argument: "<path>",
    schema: text,
    default: "",
    atStart: true,
    help: "Prefix that a proxy in front strips; accepted for compatibility, routes stay at /v1/...",
  },
  maxRequestBodyBytes: {
    group: "Server",
    argument: "<bytes>",
    schema: integerBetween(1, Number.MAX_SAFE_INTEGER),
    default: "134217728",
    help: "Largest request body; a larger one is answered 413.",
  },
  idleTimeoutSeconds: {
    group: "Server",
    argument: "<seconds>",
    schema: integerBetween(1, 255),
    default: "30",
    atStart: true,
    help: "Closes a client connection that neither sends nor awaits anything; keep it above that of a load balancer in front. Before its first request a connection has 12 s, whatever is given.",
  },
  drainDelaySeconds: {
    group: "Server",
    argument: "<seconds>",
    schema: integerBetween(0, 86_400),
    default: "10",
    atStart: true,
    help: "Time after SIGTERM for which requests are still taken, while readiness answers 503 and every answer closes its connection; Ctrl-C (SIGINT) skips it.",
  },
  drainTimeoutSeconds: {
    group: "Server",
    argument: "<seconds>",
    schema: integerBetween(0, 86_400),
    default: "300",
    atStart: true,
    help: "Time that requests under way then have to end before they are cut with an error; a second signal cuts them at once.",
  },
  logLevel: {
    group: "Logging",
    argument: "<level>",
    schema: choice(logLevels),
    default: "info",
    atStart: true,
    help: "Least severe level that is logged.",
  },
  logFormat: {
    group: "Logging",
    argument: "<format>",
    schema: choice(logFormats),
    default: "text",
    atStart: true,
    help: "Form of the log lines.",
  },
} as const satisfies OptionTable;
