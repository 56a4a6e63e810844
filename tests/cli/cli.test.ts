import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { commands, runCli } from "../../src/cli.ts";
import { lightCommands } from "../../src/reexec.ts";
import { version } from "../../src/version.ts";
import { lendPlatform } from "./lent.ts";

const run = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const { platform, stdout, stderr } = lendPlatform({ env });
  const exitCode = await runCli(argv, platform);
  return { exitCode, stdout: stdout(), stderr: stderr() };
};

test.each([[["--version"]], [["version"]], [["check", "--version"]], [["--port", "x", "--version"]]])(
  "%p prints the version",
  async (argv) => {
    expect(await run(argv)).toEqual({ exitCode: 0, stdout: `vllm-router ${version}\n`, stderr: "" });
  },
);

describe("an error of usage", () => {
  test("shows the usage and every problem on stderr, and exits 2", async () => {
    expect(await run(["http://a", "--prot=80", "--port", "x"])).toEqual({
      exitCode: 2,
      stdout: "",
      stderr:
        "usage: vllm-router [flags] [url ...]\n" +
        "vllm-router: error: --prot: no such flag; did you mean --port?\n" +
        'vllm-router: error: --port: "x" is not an integer\n',
    });
  });

  test.each([
    [["srve"], "srve: neither a command nor the URL of an engine; did you mean serve?"],
    [["mockengine"], "mockengine: neither a command nor the URL of an engine; did you mean mock-engine?"],
    [["xyz"], "xyz: neither a command nor the URL of an engine; see --help"],
    [["--port=1", "check"], "check: a command comes first: vllm-router check ..."],
  ])("names a stray word: %p", async (argv, problem) => {
    const { exitCode, stderr } = await run(argv);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`vllm-router: error: ${problem}\n`);
  });

  test("names the command it belongs to", async () => {
    const { exitCode, stderr } = await run(["healthcheck", "--prt=1", "http://a"]);
    expect(exitCode).toBe(2);
    expect(stderr).toBe(
      "usage: vllm-router healthcheck [flags]\n" +
        "vllm-router: error: --prt: no such flag; did you mean --port?\n" +
        "vllm-router: error: http://a: this command takes flags only\n",
    );
  });

  test("cannot forge a second line", async () => {
    const { stderr } = await run(["--x\nvllm-router: all is well"]);
    expect(stderr).not.toContain("\nvllm-router: all is well");
  });
});

test("an error of configuration exits 1, without the usage", async () => {
  expect(await run(["http://a", "--routing-logic=session"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr:
      "vllm-router: error: --routing-logic: Session key must be provided when using session routing logic.\n",
  });
});

describe("check", () => {
  test("prints the configuration and exits 0, with warnings beside it", async () => {
    const env = { VLLM_ROUTER_PROT: "1", VLLM_ROUTER_PORT: "9", VLLM_API_KEY: "canary" };
    const { exitCode, stdout, stderr } = await run(["check", "http://a"], env);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("port: 9 # VLLM_ROUTER_PORT\n");
    expect(stdout).not.toContain("canary");
    expect(stderr).toBe(
      "vllm-router: warning: VLLM_ROUTER_PROT is not a variable of this router; did you mean VLLM_ROUTER_PORT?\n",
    );
  });

  test("exits as serve would", async () => {
    expect(await run(["check"])).toMatchObject({ exitCode: 1, stdout: "" });
    const { exitCode, stderr } = await run(["check", "--no-such"]);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith("usage: vllm-router check [flags] [url ...]\n");
  });
});

test("commands that start at once are commands", () => {
  expect(commands.map(({ name }) => name)).toContainValues([...lightCommands]);
});

test("arbitrary arguments never throw: they give an exit code", async () => {
  const word = fc.oneof(fc.string(), fc.constantFrom("http://a", "--port", "--log-stats", "--", "-"));
  await fc.assert(
    fc.asyncProperty(fc.array(word), async (argv) => {
      expect([0, 1, 2]).toContain((await run(["check", ...argv.filter((text) => text !== "-h")])).exitCode);
    }),
  );
});
