import { type OptionTable, environmentName } from "../core/option.ts";
import type { Setting, Settings } from "./sources.ts";
import { suggest } from "./suggest.ts";

/** Variables that are no options, with what they do. */
export const otherVariables: Readonly<Record<string, string>> = {
  VLLM_API_KEY:
    "API key that the router presents to engines when it asks something itself, and where clients need keys (--api-key) also with their requests.",
  BUN_CONFIG_MAX_HTTP_REQUESTS:
    "Requests to engines under way at once, 1 to 65535. Unset, the router starts itself once more with 65535.",
  VLLM_ROUTER_ALLOW_BUN_OPTIONS:
    "`1` allows `BUN_OPTIONS` and `BUN_INSPECT*`, with which others can run code in the router, and `BUN_CONFIG_VERBOSE_FETCH`, which prints requests with their keys; without it the router does not start beside them.",
  VLLM_ROUTER_URL: "Base URL that `vllm-router healthcheck` asks.",
  VLLM_ROUTER_SHIM: "`1` ends the router when its parent process is gone; set by the npm launcher.",
};

/**
 * What Kubernetes puts into every container for a Service whose name begins with `vllm-router`, for instance
 * VLLM_ROUTER_SERVICE_HOST, VLLM_ROUTER_PORT=tcp://10.0.0.1:80 and VLLM_ROUTER_PORT_80_TCP_ADDR.
 */
const isServiceLink = (name: string, value: string): boolean =>
  /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
  (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(value));

/** Options found in an environment, and warnings about variables that look like options and are none. */
export interface EnvironmentSettings {
  readonly settings: Settings;
  readonly warnings: readonly string[];
}

/** Reads the `VLLM_ROUTER_*` variables; an empty one counts as not set. */
export const readEnvironment = (
  table: OptionTable,
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings => {
  const properties = new Map(Object.keys(table).map((property) => [environmentName(property), property]));
  const settings = new Map<string, Setting>();
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith("VLLM_ROUTER_") || text === undefined || text === "") continue;
    if (isServiceLink(name, text)) continue;
    const property = properties.get(name);
    if (property !== undefined) {
      settings.set(property, { text, source: "environment", name });
      continue;
    }
    if (Object.hasOwn(otherVariables, name)) continue;
    const near = suggest(name, properties.keys());
    warnings.push(`${name} is not a variable of this router${near ? `; did you mean ${near}?` : ""}`);
  }
  return { settings, warnings };
};
