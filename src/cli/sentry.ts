import type { Config } from "../config/config.ts";
import { version } from "../version.ts";
import type { CliPlatform } from "./command.ts";
import { secretsOf } from "./secrets.ts";

/** Sentry is loaded only where it is asked for. */
export const startSentry = async (config: Config, deps: Pick<CliPlatform, "clock" | "random">) => {
  const { sentry, routing, discovery } = config;
  if (sentry === undefined) return undefined;
  const { createSentry } = await import("../features/sentry/sentry.ts");
  return createSentry(
    {
      ...sentry,
      release: `vllm-router@${version}`,
      tags: { routing_logic: routing.logic, service_discovery: discovery.kind },
      secrets: [sentry.dsn, ...secretsOf(config)],
    },
    deps,
  );
};
