import type { OptionTable, OptionValues } from "../core/option.ts";
import { policyOptions } from "../routing/index.ts";
import { accessOptions } from "./options/access.ts";
import { admissionOptions } from "./options/admission.ts";
import { deadlineOptions } from "./options/deadlines.ts";
import { discoveryOptions } from "./options/discovery.ts";
import { featureOptions } from "./options/features.ts";
import { resilienceOptions } from "./options/resilience.ts";
import { routingOptions } from "./options/routing.ts";
import { serverOptions } from "./options/server.ts";

/** Every option of the router, in the order in which `--help` and docs/options.md list the groups. */
export const routerOptions = {
  ...serverOptions,
  ...accessOptions,
  ...admissionOptions,
  ...discoveryOptions,
  ...resilienceOptions,
  ...routingOptions,
  ...policyOptions,
  ...deadlineOptions,
  ...featureOptions,
} as const satisfies OptionTable;

/** The value of every option. */
export type RouterOptionValues = OptionValues<typeof routerOptions>;
