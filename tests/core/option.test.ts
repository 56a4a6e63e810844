import { expect, test } from "bun:test";
import { environmentName, fileKey, flagName } from "../../src/core/option.ts";

test.each([
  ["port", "port", "VLLM_ROUTER_PORT", "port"],
  ["k8sPort", "k8s-port", "VLLM_ROUTER_K8S_PORT", "k8s_port"],
  [
    "staticBackendHealthCheckTimeoutSeconds",
    "static-backend-health-check-timeout-seconds",
    "VLLM_ROUTER_STATIC_BACKEND_HEALTH_CHECK_TIMEOUT_SECONDS",
    "static_backend_health_check_timeout_seconds",
  ],
])("the property %s is the flag %s, the variable %s and the key %s", (property, flag, variable, key) => {
  expect([flagName(property), environmentName(property), fileKey(property)]).toEqual([flag, variable, key]);
});
