import { dumpYaml, loadYaml } from "@kubernetes/client-node";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role";
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { parse, parseAllDocuments } from "yaml";

/** Each with the OpenAPI schema of its kind. */
const models = {
  Deployment,
  NetworkPolicy,
  PodDisruptionBudget,
  Role,
  RoleBinding,
  Service,
  ServiceAccount,
  ServiceMonitor,
} as const;

/** The kinds that can be judged, and what an object of each holds. */
type Kinds = { readonly [Kind in keyof typeof models]: InstanceType<(typeof models)[Kind]> };

/** An object as it is written. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

/** The objects of a file. */
export const readManifests = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJS() as Manifest);

/** Those of one kind. */
export const ofKind = <Kind extends keyof Kinds>(
  manifests: readonly Manifest[],
  kind: Kind,
): readonly Kinds[Kind][] =>
  manifests.filter((manifest) => manifest.kind === kind) as unknown as readonly Kinds[Kind][];

/** Paths of the fields that are in `written` and not in `known`. */
const surplus = (written: unknown, known: unknown, path: string): readonly string[] => {
  if (typeof written !== "object" || written === null) return [];
  if (typeof known !== "object" || known === null) return [path];
  return Object.entries(written).flatMap(([key, value]) =>
    surplus(value, (known as Readonly<Record<string, unknown>>)[key], `${path}/${key}`),
  );
};

/**
 * What an API server that validates strictly would refuse: a kind that is not known, what its schema does not allow,
 * and fields that it does not have, which schemas let pass and clients that know the type leave out.
 */
export const problemsOf = (manifest: Manifest): readonly string[] => {
  const Model = Object.values(models).find(
    (model) => model.kind === manifest.kind && model.apiVersion === manifest.apiVersion,
  );
  if (Model === undefined) return [`${manifest.apiVersion} ${manifest.kind} is not known`];
  const known: unknown = parse(dumpYaml(loadYaml(JSON.stringify(manifest))));
  const unknown = surplus(manifest, known, "").map((path) => `${path} is no field`);
  try {
    // The constructor of each model takes what its own schema says; which one this is shows only now.
    new (Model as new (data: object) => { readonly validate: () => void })(manifest).validate();
    return unknown;
  } catch (error) {
    return [...unknown, error instanceof Error ? error.message : String(error)];
  }
};
