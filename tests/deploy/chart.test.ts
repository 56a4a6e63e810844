import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parse as parseYaml } from "yaml";
import packageManifest from "../../package.json";
import { readEnvironment } from "../../src/config/environment.ts";
import { routerOptions } from "../../src/config/options.ts";
import { configOf, parse, problemsOf } from "../config/given.ts";
import { repository } from "../support/binary.ts";
import { ofKind, readManifests } from "../support/manifests.ts";
import { agree, ask, hasLoopbacks, ips, startCluster } from "../support/cluster.ts";

/** The arguments that the production-stack chart 0.1.12 makes of its values, in its order. */
const chartArgs = ({
  discovery = "--service-discovery k8s --k8s-namespace default --k8s-service-discovery-type pod-ip --k8s-label-selector environment=test,release=test",
  routing = "--routing-logic roundrobin",
  more = "--engine-stats-interval 15 --request-stats-window 60",
  extra = "",
  lmcache = "",
  otel = "",
} = {}): readonly string[] =>
  ["--host 0.0.0.0 --port 8000", discovery, routing, more, extra, lmcache, otel]
    .join(" ")
    .split(" ")
    .filter((word) => word !== "");

/** What the chart puts into the environment of every router, beside what Kubernetes does for a Service of that name. */
const environment = {
  PYTHONHASHSEED: "123",
  LMCACHE_LOG_LEVEL: "INFO",
  HF_TOKEN: "hf_x",
  VLLM_ROUTER_SERVICE_HOST: "10.96.0.9",
  VLLM_ROUTER_SERVICE_SERVICE_PORT: "80",
  VLLM_ROUTER_SERVICE_PORT: "tcp://10.96.0.9:80",
  VLLM_ROUTER_PORT: "tcp://10.96.0.9:80",
};

describe("the arguments of the chart", () => {
  test("as it makes them by default are a router that finds the chart's engines", () => {
    const { server, discovery, routing } = configOf(chartArgs(), environment);
    expect(server).toMatchObject({ host: "0.0.0.0", port: 8000 });
    expect(routing.logic).toBe("roundrobin");
    expect(discovery).toMatchObject({
      kind: "k8s",
      type: "pod-ip",
      namespace: "default",
      labelSelector: "environment=test,release=test",
      port: 8000,
    });
    expect(parse(chartArgs(), environment).warnings).toEqual([]);
  });

  test.skipIf(!hasLoopbacks)(
    "as it makes them by default start a router that serves",
    async () => {
      await using cluster = await startCluster();
      const { pods, startRouter } = cluster;
      pods.add("vllm-0", ips[0] ?? "", { labels: { release: "test" }, ready: [true] });
      const router = await startRouter(
        ...chartArgs(),
        // In place of what a machine has but once.
        "--host=127.0.0.1",
        "--port=0",
        `--k8s-port=${pods.port}`,
      );
      await agree(router, pods);
      expect(await ask(router, true)).toBe("");
    },
    60_000,
  );

  test("come with variables of which none is taken for an option", () => {
    expect(readEnvironment(routerOptions, environment)).toEqual({ settings: new Map(), warnings: [] });
  });

  test.each([
    [
      "services",
      { discovery: "--service-discovery k8s --k8s-namespace x --k8s-service-discovery-type service-name" },
    ],
    [
      "engines outside of the release",
      { discovery: "--service-discovery k8s --k8s-namespace x --k8s-service-discovery-type pod-ip" },
    ],
    [
      "static discovery",
      {
        discovery:
          "--service-discovery static --static-backends http://a:8000,http://b:8000 --static-models m,n",
      },
    ],
    ["session routing", { routing: "--routing-logic session", more: "--session-key x-user-id" }],
    ["prefixaware routing", { routing: "--routing-logic prefixaware", more: "--prefix-min-match-length 64" }],
    ["a root path", { more: "--root-path /vllm --engine-stats-interval 15 --request-stats-window 60" }],
    ["no more than it must", { more: "" }],
    [
      "arguments of the user",
      { extra: "--log-stats --log-stats-interval 10 --k8s-port 8100 --log-level debug" },
    ],
    [
      "ports of LMCache",
      {
        lmcache:
          "--lmcache-controller-port 9000 --lmcache-controller-reply-port 9001 --lmcache-controller-heartbeat-port 9002",
      },
    ],
  ])("with %s are taken", (_what, values) => {
    expect(problemsOf(chartArgs(values), environment)).toEqual([]);
    expect(parse(chartArgs(values), environment).warnings).toEqual([]);
  });

  test("with kvaware are refused in a sentence", () => {
    const problems = problemsOf(chartArgs({ routing: "--routing-logic kvaware" }), environment);
    expect(problems).toEqual([expect.stringContaining("--routing-logic: kvaware is not available yet")]);
  });

  test("with a collector of traces are refused in a sentence", () => {
    const otel = "--otel-endpoint collector:4317 --otel-service-name vllm-router --otel-secure";
    expect(problemsOf(chartArgs({ otel }), environment)).toEqual([
      expect.stringContaining("--otel-endpoint: Tracing is not available yet."),
    ]);
  });
});

describe("the arguments of the operator", () => {
  test.each([
    "--host 0.0.0.0 --port 80 --service-discovery k8s --k8s-namespace default --k8s-label-selector app=vllm",
    "--host 0.0.0.0 --port 80 --service-discovery static --static-backends http://a:8000 --static-models m",
  ])("%s are taken", (first) => {
    const more =
      "--routing-logic session --session-key x-user-id --lmcache-controller-port 9000 --engine-stats-interval 30 --request-stats-window 60 --log-stats";
    expect(problemsOf(`${first} ${more}`.split(" "), environment)).toEqual([]);
  });
});

interface Values {
  readonly routerSpec: {
    readonly tag: string;
    readonly extraArgs: readonly string[];
    readonly [key: string]: unknown;
  };
}

describe("the values for the chart", () => {
  const read = async (): Promise<Values["routerSpec"]> => {
    const text = await Bun.file(join(repository, "deploy/helm/production-stack.yaml")).text();
    return (parseYaml(text) as Values).routerSpec;
  };

  test("set nothing but what the chart knows of its router", async () => {
    const known =
      "repository tag imagePullPolicy extraArgs securityContext containerSecurityContext startupProbe livenessProbe readinessProbe";
    expect(Object.keys(await read())).toEqual(known.split(" "));
  });

  test("name the image of this version", async () => {
    expect((await read()).tag).toBe(packageManifest.version);
  });

  test("let the router leave within the 30 s that the chart leaves its pods", async () => {
    const { extraArgs } = await read();
    const { delayMs, timeoutMs } = configOf(chartArgs({ extra: extraArgs.join(" ") })).leaving;
    expect(delayMs).toBeGreaterThan(0);
    expect(delayMs + timeoutMs).toBeLessThan(30_000);
  });

  test("let the pod do no more than the plain manifests do", async () => {
    const text = await Bun.file(join(repository, "deploy/kubernetes/deployment.yaml")).text();
    const pod = ofKind(readManifests(text), "Deployment")[0]?.spec?.template.spec;
    const { securityContext, containerSecurityContext } = await read();
    expect(securityContext).toEqual(pod?.securityContext);
    expect(containerSecurityContext).toEqual(pod?.containers[0]?.securityContext);
  });
});
