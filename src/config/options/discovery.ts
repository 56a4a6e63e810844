import type { OptionTable } from "../../core/option.ts";
import {
  choice,
  commaList,
  decimalBetween,
  integerAbove,
  integerBetween,
  onOff,
  text,
  urlPath,
} from "../schemas.ts";

/** From a tenth of a second to a day. */
const probeSeconds = decimalBetween(0.1, 86_400, "give 0.1 to 86400 seconds");

/** Where the engines are. */
export const discoveryOptions = {
  serviceDiscovery: {
    group: "Engines",
    argument: "<kind>",
    schema: choice(["static", "k8s", "external-only"]),
    help: "How engines are found; static when URLs are given as arguments.",
  },
  staticBackends: {
    group: "Engines",
    argument: "<urls>",
    schema: commaList,
    help: "Base URLs of the engines, comma-separated; an engine with several models is named once for each.",
  },
  staticModels: {
    group: "Engines",
    argument: "<models>",
    schema: commaList,
    help: "Model of each backend, comma-separated, in the order of --static-backends.",
  },
  staticAliases: {
    group: "Engines",
    argument: "<aliases>",
    schema: commaList,
    help: "Other names of models, as alias:model,alias:model; split at the first colon.",
  },
  staticModelLabels: {
    group: "Engines",
    argument: "<labels>",
    schema: commaList,
    help: "Label of each backend, comma-separated, in the order of --static-backends; an empty one is none.",
  },
  staticModelTypes: {
    group: "Engines",
    argument: "<types>",
    schema: commaList,
    help: "Type of each backend's model for health checks: chat, completion, embeddings, rerank, score, transcription, vision or messages.",
  },
  staticBackendHealthChecks: {
    group: "Engines",
    schema: onOff,
    default: "false",
    help: "Sends each backend a small real request for its model now and then, and leaves out those that fail.",
  },
  staticBackendHealthCheckInterval: {
    group: "Engines",
    argument: "<seconds>",
    schema: integerAbove(0, "The interval of health checks must be greater than 0."),
    default: "60",
    help: "Time between health checks (--static-backend-health-checks).",
  },
  staticBackendHealthCheckTimeoutSeconds: {
    group: "Engines",
    argument: "<seconds>",
    schema: integerAbove(0, "The timeout of health checks must be greater than 0."),
    default: "10",
    help: "Time that a health check may take (--static-backend-health-checks).",
  },
  disableHealthCheck: {
    group: "Engines",
    schema: onOff,
    default: "false",
    help: "Turns off the light health check of every engine (GET --health-check-endpoint).",
  },
  healthCheckEndpoint: {
    group: "Engines",
    argument: "<path>",
    schema: urlPath,
    default: "/health",
    help: "Path that the light health check asks for; 503 excludes an engine at once, any other answer below 500 is a sign of life.",
  },
  healthCheckIntervalSecs: {
    group: "Engines",
    argument: "<seconds>",
    schema: probeSeconds,
    default: "5",
    help: "Time between light health checks of an engine, 20 % more or less.",
  },
  healthCheckTimeoutSecs: {
    group: "Engines",
    argument: "<seconds>",
    schema: probeSeconds,
    default: "2",
    help: "Time that a light health check may take.",
  },
  healthFailureThreshold: {
    group: "Engines",
    argument: "<count>",
    schema: integerBetween(1, 1000),
    default: "3",
    help: "Failed health checks in a row that exclude an engine, or a model on it.",
  },
  healthSuccessThreshold: {
    group: "Engines",
    argument: "<count>",
    schema: integerBetween(1, 1000),
    default: "2",
    help: "Passed health checks in a row that include it again.",
  },
  k8sServiceDiscoveryType: {
    group: "Kubernetes",
    argument: "<type>",
    schema: choice(["pod-ip", "service-name"]),
    help: "What stands for an engine: a pod, which is the rule, or a service (k8s discovery).",
  },
  k8sPort: {
    group: "Kubernetes",
    argument: "<port>",
    schema: integerBetween(1, 65_535),
    default: "8000",
    help: "Port of the engines (k8s discovery).",
  },
  k8sNamespace: {
    group: "Kubernetes",
    argument: "<name>",
    schema: text,
    default: "default",
    help: "Namespace of the engines (k8s discovery).",
  },
  k8sLabelSelector: {
    group: "Kubernetes",
    argument: "<selector>",
    schema: text,
    default: "",
    help: "Label selector of the engines (k8s discovery).",
  },
  k8sWatcherTimeoutSeconds: {
    group: "Kubernetes",
    argument: "<seconds>",
    schema: integerBetween(0, 86_400),
    default: "0",
    help: "Longest life of a watch; 0 leaves it to the API server (k8s discovery).",
  },
  backendHealthCheckTimeoutSeconds: {
    group: "Kubernetes",
    argument: "<seconds>",
    schema: integerAbove(0, "The timeout of requests to engines must be greater than 0."),
    default: "10",
    help: "Time that the router's own questions to an engine may take (k8s discovery).",
  },
} as const satisfies OptionTable;
