import type { OptionTable } from "../../core/option.ts";
import { policies } from "../../routing/index.ts";
import { choice, integer, integerBetween } from "../schemas.ts";

/** Logics of the reference whose policy does not exist yet; choosing one is refused, its options are not. */
const plannedLogics = ["kvaware"] as const;

const available = Object.keys(policies) as (keyof typeof policies)[];

/** How an engine is chosen; rows that only one policy reads are in that policy's file. */
export const routingOptions = {
  routingLogic: {
    group: "Routing",
    argument: "<logic>",
    schema: choice([...available, ...plannedLogics]),
    help: "How an engine is chosen; roundrobin when engine URLs are given as arguments.",
  },
  maxInstanceFailoverRerouteAttempts: {
    group: "Routing",
    argument: "<count>",
    schema: integerBetween(0, 1000),
    default: "2",
    help: "Further attempts, on other engines where there are any, when one fails before its answer has begun; 0 makes none.",
  },
  kvAwareThreshold: {
    group: "Routing",
    argument: "<tokens>",
    schema: integer,
    default: "2000",
    help: "Tokens without a cached prefix above which load decides (kvaware routing).",
  },
  lmcacheControllerPort: {
    group: "Routing",
    argument: "<port>",
    schema: integerBetween(0, 65_535),
    default: "9000",
    help: "Port for reports of LMCache workers (kvaware routing).",
  },
  lmcacheControllerReplyPort: {
    group: "Routing",
    argument: "<port>",
    schema: integerBetween(0, 65_535),
    help: "Port for questions of LMCache workers (kvaware routing).",
  },
  lmcacheControllerHeartbeatPort: {
    group: "Routing",
    argument: "<port>",
    schema: integerBetween(0, 65_535),
    help: "Port for heartbeats of LMCache workers (kvaware routing).",
  },
  lmcacheHealthCheckInterval: {
    group: "Routing",
    argument: "<seconds>",
    schema: integer,
    default: "5",
    help: "Time between checks of LMCache workers (kvaware routing).",
  },
  lmcacheWorkerTimeout: {
    group: "Routing",
    argument: "<seconds>",
    schema: integer,
    default: "30",
    help: "Silence after which an LMCache worker is given up (kvaware routing).",
  },
} as const satisfies OptionTable;
