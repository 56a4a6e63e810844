import { describe, expect, test } from "bun:test";
import { environmentName } from "../../src/core/option.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { routerOptions } from "../../src/config/options.ts";
import { configOf, problemsOf, staticArgv } from "./given.ts";

const read = (environment: Readonly<Record<string, string>>) => readEnvironment(routerOptions, environment);

test.each(Object.keys(routerOptions))("%s is read from its variable, as text", (property) => {
  const name = environmentName(property);
  expect(read({ [name]: "00123" })).toEqual({
    settings: new Map([[property, { text: "00123", source: "environment", name }]]),
    warnings: [],
  });
});

test("a variable beats the default, and a flag beats the variable", () => {
  expect(configOf(staticArgv()).server.port).toBe(8001);
  expect(configOf(staticArgv(), { VLLM_ROUTER_PORT: "9" }).server.port).toBe(9);
  expect(configOf([...staticArgv(), "--port=10"], { VLLM_ROUTER_PORT: "9" }).server.port).toBe(10);
});

test("an empty variable counts as not set", () => {
  expect(configOf(staticArgv(), { VLLM_ROUTER_PORT: "" }).server.port).toBe(8001);
});

test("a problem is named by the variable it comes from, and is one of configuration", () => {
  expect(problemsOf(staticArgv(), { VLLM_ROUTER_PORT: "http" })).toEqual([
    'VLLM_ROUTER_PORT: "http" is not an integer',
  ]);
  expect(problemsOf(staticArgv(), { VLLM_ROUTER_STATIC_MODEL_LABELS: "x" })).toEqual([
    "VLLM_ROUTER_STATIC_MODEL_LABELS: 1 label for 2 backends; give one label for each backend, in the same order",
  ]);
});

describe("variables that Kubernetes sets for a Service", () => {
  test.each([
    [
      "vllm-router",
      {
        VLLM_ROUTER_SERVICE_HOST: "10.0.0.1",
        VLLM_ROUTER_SERVICE_PORT: "80",
        VLLM_ROUTER_SERVICE_PORT_HTTP: "80",
        VLLM_ROUTER_SERVICE_PORT_ROUTER_SPORT: "80",
        VLLM_ROUTER_PORT: "tcp://10.0.0.1:80",
        VLLM_ROUTER_PORT_80_TCP: "tcp://10.0.0.1:80",
        VLLM_ROUTER_PORT_80_TCP_PROTO: "tcp",
        VLLM_ROUTER_PORT_80_TCP_PORT: "80",
        VLLM_ROUTER_PORT_80_TCP_ADDR: "10.0.0.1",
      },
    ],
    [
      "vllm-router-service",
      {
        VLLM_ROUTER_SERVICE_SERVICE_HOST: "10.0.0.1",
        VLLM_ROUTER_SERVICE_SERVICE_PORT: "80",
        VLLM_ROUTER_SERVICE_SERVICE_PORT_ROUTER_SPORT: "80",
        VLLM_ROUTER_SERVICE_PORT: "tcp://10.0.0.1:80",
        VLLM_ROUTER_SERVICE_PORT_80_TCP: "tcp://10.0.0.1:80",
        VLLM_ROUTER_SERVICE_PORT_80_TCP_PROTO: "tcp",
        VLLM_ROUTER_SERVICE_PORT_80_TCP_PORT: "80",
        VLLM_ROUTER_SERVICE_PORT_80_TCP_ADDR: "10.0.0.1",
      },
    ],
    [
      "vllm-router-k8s",
      { VLLM_ROUTER_K8S_SERVICE_HOST: "10.0.0.1", VLLM_ROUTER_K8S_PORT: "udp://10.0.0.1:53" },
    ],
  ])("%s are neither options nor worth a warning", (_service, environment) => {
    expect(read(environment as Record<string, string>)).toEqual({ settings: new Map(), warnings: [] });
  });

  test("do not hide the option of the same name", () => {
    expect(read({ VLLM_ROUTER_PORT: "80" }).settings.get("port")?.text).toBe("80");
  });
});

test("an unknown variable of ours is a warning that names the likely one", () => {
  const { settings, warnings } = read({
    VLLM_ROUTER_PROT: "1",
    VLLM_ROUTER_STRESS_TEST_MODE: "1",
    VLLM_ROUTER_SHIM: "1",
    VLLM_ROUTER_URL: "http://a",
    VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1",
    VLLM_API_KEY: "secret",
    PATH: "/bin",
  });
  expect(settings.size).toBe(0);
  expect(warnings).toEqual([
    "VLLM_ROUTER_PROT is not a variable of this router; did you mean VLLM_ROUTER_PORT?",
    "VLLM_ROUTER_STRESS_TEST_MODE is not a variable of this router",
  ]);
});
