import type { DeadlineLimits } from "../core/deadline-limits.ts";
import type { DiscoveryConfig } from "../discovery/index.ts";
import type { HealthOptions } from "../health/engine-health.ts";
import type { OutlierOptions } from "../health/outliers.ts";
import type { PanicMode } from "../health/pool.ts";
import type { RouterOptionValues } from "./options.ts";

/** How engines are checked, each way only where it is wished. */
export const healthOf = (values: RouterOptionValues): HealthOptions => {
  const thresholds = { fall: values.healthFailureThreshold, rise: values.healthSuccessThreshold };
  return {
    ...(!values.disableHealthCheck && {
      liveness: {
        path: values.healthCheckEndpoint,
        intervalMs: values.healthCheckIntervalSecs * 1000,
        timeoutMs: values.healthCheckTimeoutSecs * 1000,
        thresholds,
      },
    }),
    ...(values.staticBackendHealthChecks && {
      models: {
        intervalMs: values.staticBackendHealthCheckInterval * 1000,
        timeoutMs: values.staticBackendHealthCheckTimeoutSeconds * 1000,
        thresholds,
      },
    }),
  };
};

/** How engines are found in a cluster. */
export const kubernetesOf = (values: RouterOptionValues): DiscoveryConfig<never> => ({
  kind: "k8s",
  type: values.k8sServiceDiscoveryType ?? "pod-ip",
  namespace: values.k8sNamespace,
  labelSelector: values.k8sLabelSelector,
  port: values.k8sPort,
  watchTimeoutSeconds: values.k8sWatcherTimeoutSeconds,
  askTimeoutSeconds: values.backendHealthCheckTimeoutSeconds,
});

/** How engines are judged by the requests that they get. */
export const outliersOf = (
  values: RouterOptionValues,
): OutlierOptions & { readonly panicMode: PanicMode } => ({
  ...(!values.disableCircuitBreaker && {
    breaker: {
      failureThreshold: values.cbFailureThreshold,
      successThreshold: values.cbSuccessThreshold,
      ejectionMs: values.cbTimeoutDurationSecs * 1000,
      windowMs: values.cbWindowDurationSecs * 1000,
    },
  }),
  slowStartMs: values.slowStartSecs * 1000,
  panicMode: values.panicMode,
});

/** Zero is how an operator writes that there is no limit. */
const limitMs = (seconds: number): number => (seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000);

/** How long each part of a request may take. */
export const deadlinesOf = (values: RouterOptionValues): DeadlineLimits => ({
  bodyMs: limitMs(values.requestBodyTimeoutSeconds),
  connectMs: limitMs(values.upstreamConnectTimeoutSeconds),
  headMs: limitMs(values.upstreamHeadTimeoutSeconds),
  firstChunkMs: limitMs(values.upstreamFirstChunkTimeoutSeconds),
  chunkIdleMs: limitMs(values.upstreamChunkIdleTimeoutSeconds),
  requestMs: limitMs(values.requestTimeoutSeconds),
  clientStallMs: limitMs(values.clientStallTimeoutSeconds),
});
