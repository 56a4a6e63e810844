import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../src/cli.ts";
import { lendPlatform } from "./lent.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "router-check-"));
});
afterAll(async () => rm(folder, { recursive: true }));

/** Runs `check` with a file of this text. */
const check = async (
  text: string,
  argv: readonly string[] = [],
  { format = "json", env = {} }: { format?: "json" | "yaml"; env?: Readonly<Record<string, string>> } = {},
) => {
  const path = join(folder, `router.${format}`);
  await Bun.write(path, text);
  const { platform, stdout, stderr } = lendPlatform({ env });
  const exitCode = await runCli(["check", `--dynamic-config-${format}=${path}`, ...argv], platform);
  const shorten = (written: string): string => written.replaceAll(path, "FILE");
  return { exitCode, stdout: shorten(stdout()), stderr: shorten(stderr()) };
};

const valid = {
  service_discovery: "static",
  routing_logic: "roundrobin",
  static_backends: "http://a,http://b",
  static_models: "m,m",
};

test("a file takes the place of flags, and each of its values is shown with where it comes from", async () => {
  const { exitCode, stdout, stderr } = await check(JSON.stringify(valid));
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toContain('static_backends: "http://a,http://b" # static_backends in FILE\n');
  expect(stdout).toContain("# engine http://b: m\n");
});

test("the file is stronger than a default, a variable than the file, a flag than both", async () => {
  const text = JSON.stringify({
    ...valid,
    session_key: "file",
    request_stats_window: 1,
    port: 1,
    host: "file",
  });
  const { stdout, stderr } = await check(text, ["--port=3"], {
    env: { VLLM_ROUTER_PORT: "2", VLLM_ROUTER_SESSION_KEY: "variable" },
  });
  expect(stdout).toContain('host: "file" # host in FILE\n');
  expect(stdout).toContain("request_stats_window: 1 # request_stats_window in FILE\n");
  expect(stdout).toContain('session_key: "variable" # VLLM_ROUTER_SESSION_KEY\n');
  expect(stdout).toContain("port: 3 # --port\n");
  expect(stdout).toContain('log_level: "info" # default\n');
  expect(stderr.split("\n").slice(0, -1)).toEqual([
    "vllm-router: warning: session_key in FILE has no effect: VLLM_ROUTER_SESSION_KEY is stronger",
    "vllm-router: warning: port in FILE has no effect: --port is stronger",
  ]);
});

describe("what is wrong", () => {
  test("with a file is named beside what is wrong with flags, and is an error of configuration", async () => {
    const text = "static_backend: x\nk8s_port: none\nstatic_models: {m: {static_backends: [nonsense]}}\n";
    const { exitCode, stderr } = await check(text, ["--routing-logic=session"], { format: "yaml" });
    expect(exitCode).toBe(1);
    expect(stderr.split("\n").slice(0, -1)).toEqual([
      "vllm-router: error: static_backend in FILE: no such key; did you mean static_backends?",
      'vllm-router: error: k8s_port in FILE: "none" is not an integer',
      "vllm-router: error: --routing-logic: Session key must be provided when using session routing logic.",
      expect.stringContaining("--service-discovery must be provided"),
      expect.stringMatching(/static_backends in FILE: "nonsense" is not an http/),
    ]);
  });

  test.each(["", "# nothing but a comment\n", "{}"])("%j says nothing, as no file would", async (text) => {
    expect(await check(text, ["http://a"], { format: "yaml" })).toMatchObject({ exitCode: 0, stderr: "" });
    const { exitCode, stderr } = await check(text, [], { format: "yaml" });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--routing-logic must be provided, or routing_logic in FILE.\n");
  });

  test("is a file that is not there", async () => {
    const { platform, stderr } = lendPlatform();
    const path = join(folder, "nowhere.json");
    expect(await runCli([`--dynamic-config-json=${path}`], platform)).toBe(1);
    expect(stderr()).toBe(`vllm-router: error: ${path}: there is no such file\n`);
  });

  test.each([
    ["flags", ["--dynamic-config-yaml=x"], {}],
    ["a flag and a variable", [], { VLLM_ROUTER_DYNAMIC_CONFIG_YAML: "x" }],
  ] as const)("are both kinds of file at once, by %s: an error of usage", async (_, argv, env) => {
    const { exitCode, stderr } = await check(JSON.stringify(valid), argv, { env });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("--dynamic-config-json: not allowed beside ");
  });
});
