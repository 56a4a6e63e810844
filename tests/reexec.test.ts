import { describe, expect, test } from "bun:test";
import { type StartingProcess, planStart } from "../src/reexec.ts";

const source: StartingProcess = {
  platform: "linux",
  env: { PATH: "/bin" },
  execPath: "/opt/bun",
  execArgv: ["--smol"],
  argv: ["/opt/bun", "/app/src/main.ts", "--port", "1", "http://a"],
};
const compiled: StartingProcess = {
  ...source,
  execPath: "/usr/bin/vllm-router",
  execArgv: [],
  argv: ["bun", "/$bunfs/root/vllm-router", "--port", "1", "http://a"],
};
const raised = { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" };

describe("without a cap of the operator's own the process is replaced", () => {
  test("from source, with the runtime's flags and the script", () => {
    expect(planStart(source)).toEqual({
      kind: "replace",
      file: "/opt/bun",
      args: ["/opt/bun", "--smol", "/app/src/main.ts", "--port", "1", "http://a"],
      env: { PATH: "/bin", BUN_CONFIG_HTTP_IDLE_TIMEOUT: "0", ...raised },
    });
  });

  test.each(["/$bunfs/root/vllm-router", "B:/~BUN/root/vllm-router.exe", "B:\\~BUN\\root\\vllm-router.exe"])(
    "compiled, without the virtual path %s",
    (script) => {
      const plan = planStart({ ...compiled, argv: ["bun", script, "--port", "1", "http://a"] });
      expect(plan).toMatchObject({ args: ["/usr/bin/vllm-router", "--port", "1", "http://a"] });
    },
  );

  test("and not a second time", () => {
    const plan = planStart(source);
    expect(plan.kind === "replace" && planStart({ ...source, env: plan.env })).toEqual({ kind: "run" });
  });

  test("and an idle limit of the operator's own is kept", () => {
    const env = { BUN_CONFIG_HTTP_IDLE_TIMEOUT: "77" };
    expect(planStart({ ...source, env })).toMatchObject({ env });
  });

  test("except on Windows, where it is told", () => {
    expect(planStart({ ...source, platform: "win32" })).toMatchObject({
      kind: "run",
      warning: expect.stringContaining("BUN_CONFIG_MAX_HTTP_REQUESTS=65535"),
    });
  });
});

test.each(["1", "1024", "65535"])("a cap of %s is the operator's choice", (cap) => {
  expect(planStart({ ...source, env: { BUN_CONFIG_MAX_HTTP_REQUESTS: cap } })).toEqual({ kind: "run" });
});

test.each(["", "0", "-1", "65536", "70000", "abc", "1e3", " 7"])("a cap of %p is refused", (cap) => {
  const plan = planStart({ ...source, env: { BUN_CONFIG_MAX_HTTP_REQUESTS: cap } });
  expect(plan).toEqual({
    kind: "refuse",
    message: `BUN_CONFIG_MAX_HTTP_REQUESTS is ${JSON.stringify(cap)}, which is not a number from 1 to 65535; correct or unset it`,
  });
});

test.each([
  "check --port 1",
  "healthcheck",
  "version",
  "mock-engine --port 1",
  "--port 1 --help",
  "-h",
  "--version",
])("%s starts at once", (args) => {
  const argv = [...source.argv.slice(0, 2), ...args.split(" ")];
  expect(planStart({ ...source, argv })).toEqual({ kind: "run" });
});

test("--help after -- is an argument", () => {
  expect(planStart({ ...source, argv: [...source.argv, "--", "--help"] }).kind).toBe("replace");
});

describe("variables that undo what the router promises", () => {
  const code = "can run other code in this process";
  test.each([
    ["BUN_OPTIONS", code],
    ["BUN_INSPECT", code],
    ["BUN_INSPECT_CONNECT_TO", code],
    ["BUN_INSPECT_NOTIFY", code],
    ["BUN_INSPECT_PRELOAD", code],
    ["BUN_CONFIG_VERBOSE_FETCH", "prints requests with their keys"],
  ])("%s is refused, whatever the command", (name, what) => {
    for (const argv of [source.argv, ["bun", "main.ts", "--version"]]) {
      expect(planStart({ ...source, argv, env: { [name]: "x" } })).toEqual({
        kind: "refuse",
        message: `${name} is set, which ${what}; unset it, or allow it with VLLM_ROUTER_ALLOW_BUN_OPTIONS=1`,
      });
    }
  });

  test("are allowed on demand, and ignored when empty", () => {
    const allowed = { BUN_OPTIONS: "--smol", VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1", ...raised };
    expect(planStart({ ...source, env: allowed })).toEqual({ kind: "run" });
    expect(planStart({ ...source, env: { BUN_OPTIONS: "", ...raised } })).toEqual({ kind: "run" });
    const halfAllowed = { BUN_OPTIONS: "--smol", VLLM_ROUTER_ALLOW_BUN_OPTIONS: "yes" };
    expect(planStart({ ...source, env: halfAllowed }).kind).toBe("refuse");
  });
});
