import { type RoutingConfig, rolesBy } from "../routing/index.ts";
import type { ConfiguredBackend } from "./backends.ts";
import type { Settings } from "./sources.ts";

// Whoever reports errors with the reference passes these, so they are no errors.
const ineffective = {
  sentryProfileSessionSampleRate: "the runtime has no profiler for Sentry",
} as const;

const inCluster = "engines are found in the cluster";
const ineffectiveInCluster = {
  staticBackends: inCluster,
  staticModels: inCluster,
  staticModelLabels: inCluster,
  staticModelTypes: inCluster,
  staticBackendApiKeys: `${inCluster}, each of which gets VLLM_API_KEY`,
  staticBackendHealthChecks: `${inCluster}, where --health-check-endpoint is asked`,
} as const;

/** Options that were given although they do nothing here, a sentence each. */
export const findIneffective = (settings: Settings, kind: string | undefined): readonly string[] =>
  Object.entries({ ...ineffective, ...(kind === "k8s" && ineffectiveInCluster) }).flatMap(
    ([property, sentence]) => {
      const setting = settings.get(property);
      return setting && setting.source !== "default" ? [`${setting.name} has no effect: ${sentence}`] : [];
    },
  );

/** Engines that no request can reach, because they have no role among those that have. */
export const findIdle = (
  backends: readonly ConfiguredBackend[],
  routing: RoutingConfig,
): readonly string[] => {
  const roleOf = rolesBy(routing);
  return backends.flatMap((backend) =>
    !roleOf || roleOf(backend)
      ? []
      : [
          `${backend.url} gets no requests: its label is neither in --prefill-model-labels nor in --decode-model-labels`,
        ],
  );
};
