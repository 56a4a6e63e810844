import { expect, test } from "bun:test";
import { join } from "node:path";
import { repository } from "../support/binary.ts";
import { ask, engineIds, hasLoopbacks, ips, startCluster } from "../support/cluster.ts";
import type { KubeApiServer, Rule } from "../support/kube-api.ts";
import { isResource } from "../support/kube-store.ts";
import { ofKind, readManifests } from "../support/manifests.ts";

const folder = join(repository, "deploy/kubernetes");
const read = async (name: string) => readManifests(await Bun.file(join(folder, name)).text());
const [deployment] = ofKind(await read("deployment.yaml"), "Deployment");
const [container] = deployment?.spec?.template.spec?.containers ?? [];
const [role] = ofKind(await read("access.yaml"), "Role");

const rules: readonly Rule[] = (role?.rules ?? []).map(({ verbs, resources = [] }) => ({
  user: "router",
  namespace: "default",
  verbs,
  resources: resources.filter(isResource),
}));

/** Each right by itself, as `list pods`. */
const rightsOf = (some: readonly Rule[]): ReadonlySet<string> =>
  new Set(
    some.flatMap(({ verbs, resources }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    ),
  );

/** What was asked of the API server, in the same form. */
const usedOf = ({ requests }: KubeApiServer): ReadonlySet<string> =>
  new Set(requests.map(({ verb, path }) => `${verb} ${path.split("/")[5]}`));

test.skipIf(!hasLoopbacks)(
  "with the rights and arguments of the manifests a router serves, and uses every right that it has",
  async () => {
    await using cluster = await startCluster("router");
    const { api, pods, startRouter } = cluster;
    const labels = { "app.kubernetes.io/component": "serving-engine" };
    const engine = pods.add("vllm-0", ips[0] ?? "", { labels });
    api.rules.push(...rules);

    // In place of what a machine has but once: its ports, and the engines' port.
    const free = ["--port=0", "--admin-port=0", "--host=127.0.0.1", "--admin-host=127.0.0.1"];
    await using router = await startRouter(
      ...(container?.args ?? []),
      ...free,
      "--log-format=text",
      `--k8s-port=${pods.port}`,
    );
    const text = await router.child.until(/Metrics and control are at (\S+\d)/);
    const [, admin = ""] = /Metrics and control are at (\S+\d)/.exec(text) ?? [];
    const status = async (path: string, init?: RequestInit) => (await fetch(path, init)).status;

    expect(await status(`${router.url}${container?.startupProbe?.httpGet?.path}`)).toBe(200);
    expect(await status(`${router.url}${container?.livenessProbe?.httpGet?.path}`)).toBe(200);
    const ready = `${router.url}${container?.readinessProbe?.httpGet?.path}`;
    expect(await status(ready)).toBe(503);
    engine.set({ ready: [true] });
    while ((await status(ready)) !== 200) await Bun.sleep(20);
    expect(await ask(router, true)).toBe("");

    expect(await status(`${router.url}/metrics`)).toBe(404);
    expect(await status(`${admin}/metrics`)).toBe(200);
    expect(await status(`${admin}/sleep?id=${engine.id}&level=1`, { method: "POST" })).toBe(200);
    expect(api.store.find("pods", "default", "vllm-0")?.metadata.labels).toHaveProperty("sleeping");

    expect(usedOf(api)).toEqual(rightsOf(rules));
    expect(new Set(api.requests.map(({ user }) => user))).toEqual(new Set(["router"]));
    expect(await router.child.until(/listens on/)).not.toContain("no right");
  },
  60_000,
);

test.skipIf(!hasLoopbacks)(
  "where services are engines, the rights that the page names are those that are used",
  async () => {
    await using cluster = await startCluster("router");
    const { api, pods, startRouter } = cluster;
    const inNamespace = { user: "router", namespace: "default" };
    const granted: readonly Rule[] = [
      { ...inNamespace, verbs: ["list", "watch"], resources: ["services", "endpoints"] },
      { ...inNamespace, verbs: ["patch"], resources: ["services"] },
    ];
    api.rules.push(...granted);
    // The one name of a service that every machine resolves without a cluster.
    const metadata = { name: "localhost", labels: { environment: "test" } };
    pods.add("vllm-0", "127.0.0.1");
    api.store.put("services", { metadata, spec: { ports: [{ port: pods.port }], selector: { model: "m" } } });
    api.store.put("endpoints", { metadata, subsets: [{ addresses: [{ ip: "127.0.0.1" }] }] });
    await using router = await startRouter(
      "--routing-logic=roundrobin",
      "--k8s-service-discovery-type=service-name",
    );
    while ((await engineIds(router)).length === 0) await Bun.sleep(20);
    const [id] = await engineIds(router);
    expect((await fetch(`${router.url}/sleep?id=${id}&level=1`, { method: "POST" })).status).toBe(200);
    expect(api.store.find("services", "default", "localhost")?.metadata.labels).toHaveProperty("sleeping");
    expect(usedOf(api)).toEqual(rightsOf(granted));
  },
  60_000,
);
