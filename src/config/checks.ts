import { isModelType, modelTypes } from "../health/payloads.ts";
import { flagName } from "../core/option.ts";
import { type RoutingLogic, handoverOf, policies, routingProblems } from "../routing/index.ts";
import { parseRanges } from "./addresses.ts";
import type { RouterOptionValues } from "./options.ts";
import { quote } from "./schemas.ts";

type Property = keyof RouterOptionValues;

/** The values of all options, and the URLs that were given as arguments. */
export interface Given {
  readonly values: RouterOptionValues;
  readonly urls: readonly string[];
}

/** What one check finds; `on` is the option to correct. */
export interface Conflict {
  readonly on: Property;
  readonly message: string;
}

interface Check {
  /** The check is left out where one of these could not be read: that problem is named already. */
  readonly reads: readonly [Property, ...Property[]];
  readonly find: (given: Given) => readonly (string | Conflict)[];
}

/** True for a word of `--routing-logic` whose policy exists. */
export const isAvailable = (logic: string): logic is RoutingLogic => Object.hasOwn(policies, logic);

/** How an engine is chosen: round robin where only URLs are given. */
export const chosenLogic = ({ values, urls }: Given): RouterOptionValues["routingLogic"] =>
  values.routingLogic ?? (urls.length > 0 ? "roundrobin" : undefined);

/** How engines are found: from the URLs where some are given. */
export const chosenDiscovery = ({ values, urls }: Given): RouterOptionValues["serviceDiscovery"] =>
  values.serviceDiscovery ?? (urls.length > 0 ? "static" : undefined);

const oneOrNone = (found: boolean, message: string): readonly string[] => (found ? [message] : []);

const checkGate = (item: string): readonly string[] => {
  const [name = "", state = ""] = item.split("=", 2).map((part) => part.trim());
  if (!/^[A-Za-z]+=/.test(item.trim()))
    return [`${quote(item)} is not a gate; write it like SemanticCache=true`];
  if (state.toLowerCase() !== "true") return [];
  return ["SemanticCache", "PIIDetection"].includes(name)
    ? [`${name} is not available yet.`]
    : [`${quote(name)} is not the name of a gate; known are SemanticCache and PIIDetection`];
};

/** A label of DNS (RFC 1123), as Kubernetes wants it. */
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

const checks: readonly Check[] = [
  {
    reads: ["recordTrace", "workers"],
    find: ({ values: { recordTrace, workers } }) =>
      oneOrNone(
        recordTrace !== undefined && workers !== 1,
        "requests are recorded by one thread only; give --workers 1 beside it",
      ),
  },
  {
    reads: ["trustedProxies"],
    find: ({ values }) => parseRanges(values.trustedProxies ?? []).refusals,
  },
  {
    reads: ["adminPort", "port"],
    find: ({ values: { adminPort, port } }) =>
      oneOrNone(
        adminPort !== undefined && adminPort !== 0 && adminPort === port,
        "is the port of the router itself; give another one",
      ),
  },
  {
    reads: ["routingLogic"],
    find: (given) => {
      const { dynamicConfigJson, dynamicConfigYaml } = given.values;
      const file = dynamicConfigJson ?? dynamicConfigYaml;
      const orThere = file === undefined ? "" : `, or routing_logic in ${file}`;
      return oneOrNone(chosenLogic(given) === undefined, `--routing-logic must be provided${orThere}.`);
    },
  },
  {
    reads: ["routingLogic"],
    find: (given) => {
      const logic = chosenLogic(given) ?? "roundrobin";
      const words = Object.keys(policies).join(", ");
      return oneOrNone(!isAvailable(logic), `${logic} is not available yet; available are ${words}`);
    },
  },
  {
    reads: ["routingLogic", "sessionKey"],
    find: (given) => {
      const logic = chosenLogic(given);
      return logic !== undefined && isAvailable(logic)
        ? routingProblems({ logic, options: given.values })
        : [];
    },
  },
  {
    reads: [
      "staticModelLabels",
      "serviceDiscovery",
      "routingLogic",
      "prefillModelLabels",
      "decodeModelLabels",
    ],
    find: (given) => {
      const logic = chosenLogic(given);
      const isDivided = logic !== undefined && isAvailable(logic) && handoverOf(logic) !== undefined;
      if (!isDivided || chosenDiscovery(given) !== "static") return [];
      const { staticModelLabels: labels = [], prefillModelLabels, decodeModelLabels } = given.values;
      return Object.entries({ prefillModelLabels, decodeModelLabels }).flatMap(([property, named = []]) =>
        oneOrNone(
          named.length > 0 && !labels.some((label) => named.includes(label)),
          `No backend has a label of --${flagName(property)} (${named.join(", ")}); give each backend its label, in the same order`,
        ),
      );
    },
  },
  {
    reads: ["serviceDiscovery"],
    find: (given) =>
      oneOrNone(
        chosenDiscovery(given) === undefined,
        "--service-discovery must be provided, or use --external-providers-config with " +
          "--service-discovery=external-only for an external-providers-only deployment. " +
          "Static discovery needs no flag where URLs of engines are given as arguments.",
      ),
  },
  {
    reads: ["serviceDiscovery"],
    find: (given) => {
      const isMissing = chosenDiscovery(given) === "external-only";
      return oneOrNone(isMissing, "external-only is not available yet; available are static, k8s");
    },
  },
  {
    reads: ["serviceDiscovery"],
    find: ({ values: { serviceDiscovery: kind }, urls }) =>
      oneOrNone(
        kind === "k8s" && urls.length > 0,
        "k8s finds the engines in the cluster; give it, or URLs as arguments",
      ),
  },
  {
    reads: ["k8sNamespace", "serviceDiscovery"],
    find: ({ values: { k8sNamespace: name, serviceDiscovery: kind } }) =>
      oneOrNone(
        kind === "k8s" && !NAMESPACE.test(name),
        `${quote(name)} is not the name of a namespace; give one like default`,
      ),
  },
  {
    reads: ["serviceDiscovery", "staticBackends"],
    find: ({ values, urls }) => {
      const on = "staticBackends";
      const isGiven = values.staticBackends !== undefined && values.staticBackends.length > 0;
      if (urls.length > 0 && isGiven) {
        return [{ on, message: "given beside URLs as arguments; give the engines in one of the two ways" }];
      }
      return values.serviceDiscovery !== "static" || urls.length > 0 || isGiven
        ? []
        : [{ on, message: "Static backends must be provided when using static service discovery." }];
    },
  },
  {
    reads: ["serviceDiscovery", "staticModels"],
    find: ({ values, urls }) =>
      values.serviceDiscovery !== "static" || urls.length > 0 || (values.staticModels ?? []).length > 0
        ? []
        : [
            {
              on: "staticModels",
              message:
                "Static models must be provided when using static service discovery. Give one for each " +
                "backend; or give the URLs as arguments, without --static-backends, to have the engines asked.",
            },
          ],
  },
  {
    reads: ["staticModelTypes", "staticBackendHealthChecks", "serviceDiscovery", "staticModels"],
    find: (given) => {
      const { staticModelTypes: types = [], staticBackendHealthChecks: isOn } = given.values;
      if (!isOn || chosenDiscovery(given) !== "static") return [];
      if (types.length === 0)
        return ["Static model types must be provided when using the backend healthcheck."];
      const unknown = new Set(types.filter((type) => !isModelType(type)));
      const known = modelTypes.join(",");
      const untyped = given.values.staticModels?.[types.indexOf("")] ?? "";
      return [...unknown].map(
        (type) =>
          `The model type '${type}' is not supported. Supported model types are '${known}'` +
          (type === "" && untyped !== "" ? `; the model ${quote(untyped)} has none` : ""),
      );
    },
  },
  {
    reads: ["staticModels", "staticBackendHealthChecks", "serviceDiscovery"],
    find: ({ values, urls }) =>
      oneOrNone(
        values.staticBackendHealthChecks && urls.length > 0 && (values.staticModels ?? []).length === 0,
        "Static models must be provided when using the backend healthcheck: it asks each engine for its model.",
      ),
  },
  {
    reads: ["logStatsInterval", "logStats"],
    find: ({ values }) =>
      oneOrNone(
        values.logStats && values.logStatsInterval <= 0,
        "Log stats interval must be greater than 0.",
      ),
  },
  {
    reads: ["sentryDsn"],
    find: ({ values: { sentryDsn = "" } }) =>
      oneOrNone(
        !/^$|^https?:\/\/[^\s/@:]+(?::[^\s/@]*)?@[^\s/@]+\/(?:[^\s?#]*\/)?\d+$/.test(sentryDsn),
        "is not a DSN; write it like https://key@host/1",
      ),
  },
  {
    reads: ["featureGates"],
    find: ({ values }) =>
      values.featureGates.split(",").flatMap((item) => (item.trim() === "" ? [] : checkGate(item))),
  },
];

/** Conflicts between options, each of which is right by itself. */
export const findConflicts = (given: Given, failed: ReadonlySet<string>): readonly Conflict[] =>
  checks
    .filter(({ reads }) => !reads.some((property) => failed.has(property)))
    .flatMap(({ reads: [on], find }) =>
      find(given).map((found) => (typeof found === "string" ? { on, message: found } : found)),
    );
