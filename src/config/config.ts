import type { AnswerFields } from "../core/answer-fields.ts";
import type { DiscoveryConfig } from "../discovery/index.ts";
import type { AccessOptions } from "../access/keyring.ts";
import type { AdmissionLimits } from "../admission/admission.ts";
import type { DeadlineLimits } from "../core/deadline-limits.ts";
import type { HealthOptions } from "../health/engine-health.ts";
import type { OutlierOptions } from "../health/outliers.ts";
import type { PanicMode } from "../health/pool.ts";
import { type RoutingConfig, policyOptions } from "../routing/index.ts";
import { resolveAccess } from "./access.ts";
import type { ConfiguredBackend } from "./backends.ts";
import { chosenDiscovery, chosenLogic, findConflicts, isAvailable } from "./checks.ts";
import type { ConfigFile } from "./document.ts";
import { type DynamicConfig, describeDynamicConfig } from "./dynamic-config.ts";
import type { KeyFileReading } from "./key-files.ts";
import { type RouterOptionValues, routerOptions } from "./options.ts";
import type { Problem } from "./problem.ts";
import { deadlinesOf, healthOf, kubernetesOf, outliersOf } from "./sections.ts";
import { type Settings, nameOf, readOptions } from "./sources.ts";
import { resolveStaticDiscovery } from "./static-discovery.ts";
import { findIdle, findIneffective } from "./warnings.ts";

/** Where errors and traces are sent. */
interface SentryConfig {
  /** Never printed. */
  readonly dsn: string;
  /** The part of all requests that is traced, from 0 to 1. */
  readonly tracesSampleRate: number;
}

/** Everything that a router is made from; valid as a whole. */
export interface Config {
  readonly server: {
    readonly host: string;
    /** 0 takes a free port. */
    readonly port: number;
    readonly maxRequestBodyBytes: number;
    /** 1 to 255. */
    readonly idleTimeoutSeconds: number;
    /** Threads that serve requests; 1 where absent. */
    readonly workers?: number | "auto" | undefined;
  };
  /** A second listener for metrics and control; where absent the first one has them. */
  readonly admin?: { readonly host: string; readonly port: number } | undefined;
  /** How long the process stays when it is asked to end. */
  readonly leaving: { readonly delayMs: number; readonly timeoutMs: number };
  /** How many requests may be under way; no limit where absent. */
  readonly admission?: AdmissionLimits | undefined;
  readonly log: {
    readonly level: RouterOptionValues["logLevel"];
    readonly format: RouterOptionValues["logFormat"];
  };
  readonly discovery: DiscoveryConfig<ConfiguredBackend>;
  /** How engines are checked; absent where they are not. */
  readonly health?: HealthOptions | undefined;
  /** How engines are judged by the requests that they get; absent where they are not. */
  readonly outliers?: (OutlierOptions & { readonly panicMode: PanicMode }) | undefined;
  /** Model by alias. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly routing: RoutingConfig;
  /** Further engines that are tried when one fails before its answer has begun. */
  readonly maxReroutes: number;
  /** No limits where absent. */
  readonly deadlines?: DeadlineLimits | undefined;
  readonly requestStatsWindowSeconds: number;
  /** Whether streams are asked for their usage where the client does not want it. */
  readonly countsStreams: boolean;
  /** Fields of answers that tell of the router; none where absent. */
  readonly answerFields?: AnswerFields;
  /** Time between readings of the engines' metrics; absent where they are not read. */
  readonly engineStatsIntervalSeconds?: number | undefined;
  /** Time between blocks of statistics in the log; absent where there are none. */
  readonly logStatsIntervalSeconds?: number | undefined;
  /** The file that is looked at again while the router runs, and what is in effect of its options. */
  readonly file?: (ConfigFile & { readonly intervalMs: number }) | undefined;
  readonly dynamicConfig?: DynamicConfig | undefined;
  /** Absent where nothing is reported. */
  readonly sentry?: SentryConfig | undefined;
  /** File that requests are recorded in, without what they say. */
  readonly recordTrace?: string | undefined;
  /** Sent to engines with the router's own questions (`VLLM_API_KEY`); never printed. */
  readonly engineApiKey?: string | undefined;
  /** Addresses and ranges of proxies whose word on where requests come from counts. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Keys of which clients must present one; absent where everybody may ask. */
  readonly access?: AccessOptions | undefined;
}

/** A valid configuration, or everything that is wrong with it; warnings accompany both. */
export type ParsedConfig = { readonly warnings: readonly string[] } & (
  | { readonly config: Config }
  | { readonly problems: readonly [Problem, ...Problem[]] }
);

interface Input {
  /** Already merged, defaults included. */
  readonly settings: Settings;
  /** Engine URLs that were given as arguments. */
  readonly urls: readonly string[];
  /** What was found wrong before, such as unknown flags: reported together with the rest. */
  readonly problems?: readonly Problem[];
  /** What the files of keys hold that the settings name. */
  readonly keyFiles?: readonly KeyFileReading[];
  /** The value of `VLLM_API_KEY`, which vLLM's own tools name. */
  readonly engineApiKey?: string | undefined;
}

/** The configuration file that settings name. */
export const configFileOf = (settings: Settings): ConfigFile | undefined => {
  const json = settings.get("dynamicConfigJson")?.text;
  const yaml = settings.get("dynamicConfigYaml")?.text;
  if (json !== undefined) return { path: json, format: "json" };
  return yaml === undefined ? undefined : { path: yaml, format: "yaml" };
};

/** Parses a configuration as a whole; every problem is reported at once. */
export const parseConfig = ({
  settings,
  urls,
  problems: earlier = [],
  keyFiles = [],
  engineApiKey,
}: Input): ParsedConfig => {
  const { values, failed, problems: unread } = readOptions(routerOptions, settings);
  const given = { values, urls };
  const conflicts = findConflicts(given, failed).map(({ on, message }): Problem => ({
    kind: "configuration",
    key: nameOf(settings, on),
    message,
  }));
  const discovery = resolveStaticDiscovery({
    lists: values,
    urls,
    nameOf: (property) => nameOf(settings, property),
  });
  const access = resolveAccess(values, keyFiles, settings);
  const kind = chosenDiscovery(given);
  const warnings = [...findIneffective(settings, kind), ...discovery.warnings, ...access.warnings];

  const [problem, ...problems] = [
    ...earlier,
    ...unread,
    ...conflicts,
    ...discovery.problems,
    ...access.problems,
  ];
  if (problem) return { problems: [problem, ...problems], warnings };

  const logic = chosenLogic(given);
  if (logic === undefined || !isAvailable(logic))
    throw new TypeError("a check of the routing logic is missing");
  const file = configFileOf(settings);
  const effective: RouterOptionValues = {
    ...values,
    serviceDiscovery: kind,
    routingLogic: logic,
    staticBackends: urls.length > 0 ? urls : values.staticBackends,
  };
  const routing: RoutingConfig = { logic, options: readOptions(policyOptions, settings).values };
  return {
    warnings: [...warnings, ...findIdle(kind === "k8s" ? [] : discovery.backends, routing)],
    config: {
      server: {
        host: values.host,
        port: values.port,
        maxRequestBodyBytes: values.maxRequestBodyBytes,
        idleTimeoutSeconds: values.idleTimeoutSeconds,
        workers: values.workers,
      },
      ...(values.adminPort !== undefined && { admin: { host: values.adminHost, port: values.adminPort } }),
      leaving: { delayMs: values.drainDelaySeconds * 1000, timeoutMs: values.drainTimeoutSeconds * 1000 },
      admission: {
        maxConcurrent: values.maxConcurrentRequests,
        ...(values.maxConcurrentRequestsPerEngine !== undefined && {
          maxPerEngine: values.maxConcurrentRequestsPerEngine,
        }),
        queueSize: values.queueSize,
        queueTimeoutMs: values.queueTimeoutSeconds * 1000,
      },
      log: { level: values.logLevel, format: values.logFormat },
      discovery: kind === "k8s" ? kubernetesOf(values) : { kind: "static", backends: discovery.backends },
      health: healthOf(values),
      outliers: outliersOf(values),
      aliases: discovery.aliases,
      routing,
      maxReroutes: values.maxInstanceFailoverRerouteAttempts,
      deadlines: deadlinesOf(values),
      requestStatsWindowSeconds: values.requestStatsWindow,
      // A recording lacks what is not counted.
      countsStreams: values.countStreamUsage || values.recordTrace !== undefined,
      answerFields: {
        endpoint: values.endpointHeader,
        reason: values.reasonHeader,
        serverTiming: values.serverTiming,
      },
      engineStatsIntervalSeconds: values.engineStatsInterval,
      ...(values.logStats && { logStatsIntervalSeconds: values.logStatsInterval }),
      recordTrace: values.recordTrace,
      ...(values.sentryDsn && {
        sentry: { dsn: values.sentryDsn, tracesSampleRate: values.sentryTracesSampleRate },
      }),
      ...(file && {
        file: { ...file, intervalMs: values.dynamicConfigIntervalSeconds * 1000 },
        dynamicConfig: describeDynamicConfig(effective),
      }),
      trustedProxies: values.trustedProxies,
      ...(access.access && { access: access.access }),
      ...(engineApiKey === undefined || engineApiKey === "" ? {} : { engineApiKey }),
    },
  };
};
