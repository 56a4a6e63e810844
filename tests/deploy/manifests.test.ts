import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parse } from "yaml";
import packageManifest from "../../package.json";
import { configOf } from "../config/given.ts";
import { repository } from "../support/binary.ts";
import { type Manifest, ofKind, problemsOf, readManifests } from "../support/manifests.ts";

const folder = join(repository, "deploy/kubernetes");
const files = [...new Bun.Glob("*.yaml").scanSync(folder)].filter((name) => name !== "kustomization.yaml");
const textOf = async (name: string): Promise<string> => Bun.file(join(folder, name)).text();

const byFile = new Map<string, readonly Manifest[]>();
for (const name of files) byFile.set(name, readManifests(await textOf(name)));
const all = [...byFile.values()].flat();

/** The only one of its kind. */
const only = <T>([first, ...more]: readonly T[]): T => {
  if (first === undefined || more.length > 0) throw new Error(`not one, but ${more.length + 1}`);
  return first;
};

const deployment = only(ofKind(all, "Deployment"));
const pod = deployment.spec?.template.spec;
const labels = deployment.spec?.template.metadata?.labels ?? {};
const container = only(pod?.containers ?? []);
const config = configOf(container.args ?? []);
const portNamed = (name: unknown): number | undefined =>
  container.ports?.find((port) => port.name === name)?.containerPort;

describe("every manifest", () => {
  test.each(
    [...byFile].flatMap(([file, manifests]) =>
      manifests.map((manifest) => [file, manifest.kind, manifest] as const),
    ),
  )("%s: %s is one that an API server takes", (_file, _kind, manifest) => {
    expect(problemsOf(manifest)).toEqual([]);
    expect(manifest.metadata.labels).toMatchObject({ "app.kubernetes.io/name": "vllm-router" });
    // kubectl and kustomize say where.
    expect(manifest.metadata).not.toHaveProperty("namespace");
  });

  test.each([
    { from: "livenessProbe:", to: "livenesProbe:", problem: "/livenesProbe is no field" },
    { from: "replicas: 2", to: 'replicas: "two"', problem: "replicas must be integer" },
    { from: "- name: router", to: "- title: router", problem: "required property name" },
    { from: "apps/v1", to: "apps/v1beta1", problem: "apps/v1beta1 Deployment is not known" },
    { from: "podSelector:", to: "pods:", problem: "/spec/pods is no field" },
    { from: "verbs: [patch]", to: "", problem: "required property verbs" },
    { from: "interval: 15s", to: "interval: often", problem: "must match pattern" },
  ])("would be refused with $to in place of $from", async ({ from, to, problem }) => {
    const texts = await Promise.all(files.map(textOf));
    const text = texts.find((one) => one.includes(from)) ?? "";
    const problems = readManifests(text.replace(from, to)).flatMap(problemsOf);
    expect(problems.join()).toContain(problem);
  });

  test("is in the kustomization, or is one that it offers", async () => {
    const text = await textOf("kustomization.yaml");
    const named = [...text.matchAll(/^ {2}(?:# )?- (\S+\.yaml)$/gm)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(files));
    const { resources, images } = parse(text) as {
      readonly resources: readonly string[];
      readonly images: readonly { readonly name: string; readonly newTag: string }[];
    };
    expect(resources).not.toContain("service-monitor.yaml");
    expect(images).toEqual([{ name: container.image ?? "", newTag: packageManifest.version }]);
  });
});

describe("the pod", () => {
  test("may do nothing that the router does not need", () => {
    expect(pod?.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(pod).toMatchObject({ enableServiceLinks: false });
    for (const host of ["hostNetwork", "hostPID", "hostIPC", "volumes"]) expect(pod).not.toHaveProperty(host);
    expect(only(ofKind(all, "ServiceAccount")).automountServiceAccountToken).toBe(false);
  });

  test("is given the time that the router takes to leave", () => {
    const { delayMs, timeoutMs } = config.leaving;
    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThanOrEqual((delayMs + timeoutMs) / 1000 + 10);
  });

  test("listens where its ports are", () => {
    expect(config.server.host).toBe("0.0.0.0");
    expect(config.server.port).toBe(portNamed("http") ?? 0);
    expect(config.admin).toEqual({ host: "0.0.0.0", port: portNamed("admin") ?? 0 });
  });

  test("is asked whether it lives apart from whether it can serve", () => {
    const { startupProbe, livenessProbe, readinessProbe } = container;
    const asked = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet);
    expect(asked.map((get) => get?.path)).toEqual(["/livez", "/livez", "/readyz"]);
    for (const get of asked) expect(portNamed(get?.port)).toBe(config.server.port);
  });

  test("follows the namespace that it is in", () => {
    const from = container.env?.find(({ name }) => name === "VLLM_ROUTER_K8S_NAMESPACE")?.valueFrom;
    expect(from).toEqual({ fieldRef: { fieldPath: "metadata.namespace" } });
    expect(configOf(container.args ?? [], { VLLM_ROUTER_K8S_NAMESPACE: "serving" }).discovery).toMatchObject({
      kind: "k8s",
      type: "pod-ip",
      namespace: "serving",
    });
  });
});

describe("what selects the pod", () => {
  test("selects it", () => {
    const selectors = [
      deployment.spec?.selector.matchLabels,
      only(pod?.topologySpreadConstraints ?? []).labelSelector?.matchLabels,
      only(ofKind(all, "PodDisruptionBudget")).spec?.selector?.matchLabels,
      only(ofKind(all, "NetworkPolicy")).spec?.podSelector?.matchLabels,
      ...ofKind(all, "Service").map(({ spec }) => spec?.selector),
    ];
    expect(selectors).toHaveLength(6);
    for (const selector of selectors) {
      expect(Object.keys(selector ?? {})).not.toBeEmpty();
      expect(labels).toMatchObject(selector ?? {});
    }
  });

  test("a Service has one port of it each: clients come to the one, operators to the other", () => {
    const targets = ofKind(all, "Service").map(
      ({ metadata, spec }) => [metadata?.name, only(spec?.ports ?? []).targetPort] as const,
    );
    expect(targets).toEqual([
      ["vllm-router", "http"],
      ["vllm-router-admin", "admin"],
    ]);
    for (const [, target] of targets) expect(portNamed(target)).toBeNumber();
  });

  test("the ServiceMonitor finds the Service that has the metrics, and no other", () => {
    const { selector, endpoints, jobLabel } = only(ofKind(all, "ServiceMonitor")).spec;
    const found = only(
      ofKind(all, "Service").filter(({ metadata }) =>
        Object.entries(selector.matchLabels ?? {}).every(
          ([name, value]) => metadata?.labels?.[name] === value,
        ),
      ),
    );
    const { port, path } = only(endpoints);
    expect(only(found.spec?.ports ?? [])).toMatchObject({ name: port ?? "", targetPort: "admin" });
    expect(path).toBe("/metrics");
    expect(found.metadata?.labels).toHaveProperty([jobLabel ?? ""]);
  });

  test("the NetworkPolicy lets the router reach the engines that it is told to look for", () => {
    const [engines] = only(ofKind(all, "NetworkPolicy")).spec?.egress ?? [];
    const selected = Object.entries(only(engines?.to ?? []).podSelector?.matchLabels ?? {});
    expect(config.discovery).toMatchObject({
      labelSelector: selected.map(([name, value]) => `${name}=${value}`).join(),
      port: only(engines?.ports ?? []).port,
    });
    const ports = only(ofKind(all, "NetworkPolicy")).spec?.ingress?.flatMap(({ ports: some = [] }) => some);
    expect(ports?.map(({ port }) => portNamed(port))).toEqual([config.server.port, config.admin?.port]);
  });
});

test("the Role is the router's own, in its namespace", () => {
  const binding = only(ofKind(all, "RoleBinding"));
  expect(binding.roleRef).toMatchObject({
    kind: "Role",
    name: only(ofKind(all, "Role")).metadata?.name ?? "",
  });
  expect(binding.subjects).toEqual([{ kind: "ServiceAccount", name: pod?.serviceAccountName ?? "" }]);
  expect(only(ofKind(all, "ServiceAccount")).metadata?.name).toBe(pod?.serviceAccountName ?? "");
});
