import { describe, expect, test } from "bun:test";
import { configOf, parse, problemsOf } from "./given.ts";

describe("discovery in Kubernetes", () => {
  const given = ["--routing-logic=roundrobin", "--service-discovery=k8s"];

  test("needs no more than its name", () => {
    expect(configOf(given).discovery).toEqual({
      kind: "k8s",
      type: "pod-ip",
      namespace: "default",
      labelSelector: "",
      port: 8000,
      watchTimeoutSeconds: 0,
      askTimeoutSeconds: 10,
    });
  });

  test("takes the arguments of the production-stack chart", () => {
    const chart =
      "--host 0.0.0.0 --port 8000 --service-discovery k8s --k8s-namespace serving " +
      "--k8s-service-discovery-type service-name --k8s-label-selector environment=test,release=test " +
      "--routing-logic roundrobin --engine-stats-interval 15 --request-stats-window 60 " +
      "--k8s-port 8100 --k8s-watcher-timeout-seconds 30 --backend-health-check-timeout-seconds 3";
    expect(configOf(chart.split(" ")).discovery).toEqual({
      kind: "k8s",
      type: "service-name",
      namespace: "serving",
      labelSelector: "environment=test,release=test",
      port: 8100,
      watchTimeoutSeconds: 30,
      askTimeoutSeconds: 3,
    });
  });

  test("says which options of static discovery have no effect beside it", () => {
    expect(parse([...given, "--static-models=m", "--static-aliases=a:m"]).warnings).toEqual([
      "--static-models has no effect: engines are found in the cluster",
    ]);
    expect(parse([...given, "--static-backend-health-checks"]).warnings).toEqual([
      "--static-backend-health-checks has no effect: engines are found in the cluster, where --health-check-endpoint is asked",
    ]);
    expect(parse([...given, "--static-backend-api-keys=k"]).warnings).toContain(
      "--static-backend-api-keys has no effect: engines are found in the cluster, each of which gets VLLM_API_KEY",
    );
  });

  test.each([
    [
      "--k8s-namespace=Team_A",
      'k8s-namespace: "Team_A" is not the name of a namespace; give one like default',
    ],
    ["--k8s-namespace=", 'k8s-namespace: "" is not the name of a namespace; give one like default'],
    ["--k8s-port=0", "k8s-port: 0 is out of range; give 1 to 65535"],
    ["--k8s-watcher-timeout-seconds=-1", "k8s-watcher-timeout-seconds: -1 is out of range; give 0 to 86400"],
    [
      "--backend-health-check-timeout-seconds=0",
      "backend-health-check-timeout-seconds: The timeout of requests to engines must be greater than 0.",
    ],
    [
      "--k8s-service-discovery-type=pods",
      'k8s-service-discovery-type: "pods" is not one of pod-ip, service-name',
    ],
    [
      "http://a:8000",
      "service-discovery: k8s finds the engines in the cluster; give it, or URLs as arguments",
    ],
  ])("refuses %s", (argument, sentence) => {
    expect(problemsOf([...given, argument])).toEqual([`--${sentence}`]);
  });
});
