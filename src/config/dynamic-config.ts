import { fileKey } from "../core/option.ts";
import type { RouterOptionValues } from "./options.ts";

/** The options of a configuration file as `GET /health` shows them; null where one is not set. */
export type DynamicConfig = Readonly<Record<string, string | number | boolean | null>>;

const keys = [
  "callbacks",
  "decodeModelLabels",
  "k8sLabelSelector",
  "k8sNamespace",
  "k8sPort",
  "prefillModelLabels",
  "routingLogic",
  "serviceDiscovery",
  "sessionKey",
  "staticAliases",
  "staticBackendHealthCheckInterval",
  "staticBackendHealthCheckTimeoutSeconds",
  "staticBackendHealthChecks",
  "staticBackends",
  "staticModelLabels",
  "staticModelTypes",
  "staticModels",
] as const satisfies readonly (keyof RouterOptionValues)[];

/** The keys of the reference, sorted, with the values that are in effect; lists as text with commas. */
export const describeDynamicConfig = (values: RouterOptionValues): DynamicConfig => {
  const entries = keys.map((property): [string, DynamicConfig[string]] => {
    const value = values[property];
    return [fileKey(property), typeof value === "object" ? value.join(",") : (value ?? null)];
  });
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
};
