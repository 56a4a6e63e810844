import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../../package.json";
import { executableName, hostPlatform, packageName } from "../../../scripts/platforms.ts";
import { repository } from "../../support/binary.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

const platform = hostPlatform();
if (platform === undefined) throw new Error("no release is built for this machine");

let modules: string;
const launcher = () => join(modules, "vllm-router/vllm-router.js");
const platformFolder = () => join(modules, packageName(platform));

/** Stands in for the executable: ends as its arguments say. */
const deputy = `
const [how, value] = process.argv.slice(2);
if (how === "wait") {
  setInterval(() => {}, 1000);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => {
      console.log("got", signal);
      process.exit(5);
    });
}
console.log(process.argv.slice(2).join(" "), "shim", process.env.VLLM_ROUTER_SHIM);
if (how === "exit") process.exit(Number(value));
if (how === "die") process.kill(process.pid, value);
`;

const installLauncher = async (oldestBun: string): Promise<void> => {
  await Bun.build({
    entrypoints: [join(repository, "scripts/npm/launcher.ts")],
    target: "node",
    outdir: join(modules, "vllm-router"),
    naming: "vllm-router.js",
    define: { OLDEST_BUN: JSON.stringify(oldestBun) },
  });
};

beforeAll(async () => {
  modules = join(await mkdtemp(join(tmpdir(), "launcher-")), "node_modules");
  await Bun.write(join(modules, "vllm-router/package.json"), '{"type":"module"}');
  await Bun.write(
    join(modules, "vllm-router/router.js"),
    'console.log("in process", process.argv.slice(2).join(" "), "shim", process.env.VLLM_ROUTER_SHIM);',
  );
  await Bun.write(join(platformFolder(), "package.json"), "{}");
  await Bun.write(join(platformFolder(), "deputy.js"), deputy);
  const executable = join(platformFolder(), executableName(platform.os));
  await Bun.write(executable, `#!/bin/sh\nexec "${process.execPath}" "${platformFolder()}/deputy.js" "$@"\n`);
  await chmod(executable, 0o755);
});
afterAll(() => rm(join(modules, ".."), { recursive: true, force: true }));

const start = (runtime: string, args: readonly string[], env: Record<string, string> = {}) =>
  Bun.spawn([runtime, launcher(), ...args], {
    env: { ...process.env, npm_command: undefined, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });

const run = async (runtime: string, ...args: readonly string[]) => {
  const child = start(runtime, args);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
};

const node = Bun.which("node");
const runtimes = [
  { name: "node", runtime: node ?? "", isMissing: node === null },
  { name: "a Bun that is too old", runtime: process.execPath, isMissing: false },
];

for (const { name, runtime, isMissing } of runtimes)
  describe.skipIf(isMissing)(`under ${name}`, () => {
    beforeAll(() => installLauncher("99.0.0"));

    test("the executable gets the arguments as they are, and ends with its launcher", async () => {
      const { stdout } = await run(runtime, "--flag=a b", "", "*");
      expect(stdout).toBe("--flag=a b  * shim 1\n");
    });

    test("the launcher ends with the executable's status", async () => {
      expect(await run(runtime, "exit", "7")).toMatchObject({ code: 7, signal: null });
    });

    test("the launcher dies of the signal that the executable died of", async () => {
      expect(await run(runtime, "die", "SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    });

    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      test(`${signal} reaches the executable, whose answer to it counts`, async () => {
        const child = start(runtime, ["wait"]);
        const reader = child.stdout.getReader();
        await reader.read();
        child.kill(signal);
        expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(`got ${signal}\n`);
        expect(await child.exited).toBe(5);
      });

    test("a missing platform package is named, with the ways out", async () => {
      const away = `${platformFolder()}-away`;
      await Bun.$`mv ${platformFolder()} ${away}`;
      try {
        const { code, stderr } = await run(runtime, "--version");
        expect(code).toBe(1);
        expect(stderr).toStartWith(`vllm-router: the package ${packageName(platform)} is not installed`);
        expect(stderr).toContain("--omit=optional");
      } finally {
        await Bun.$`mv ${away} ${platformFolder()}`;
      }
    });
  });

describe("under the oldest Bun that will do", () => {
  beforeAll(() => installLauncher(manifest.devDependencies.bun));

  test("the product runs in the launcher's process", async () => {
    const { stdout } = await run(process.execPath, "a", "b");
    expect(stdout).toBe("in process a b shim undefined\n");
  });

  test("under bunx the product is told to end with its parent", async () => {
    const child = start(process.execPath, ["a"], { npm_command: "exec" });
    expect(await child.stdout.text()).toBe("in process a shim 1\n");
  });
});

describe.skipIf(node === null)("under npx", () => {
  beforeAll(() => installLauncher(manifest.devDependencies.bun));

  test("the executable is told to end when the launcher's parent is gone", async () => {
    // The shell is what npm puts between itself and the launcher; its death tells the launcher nothing.
    const script = `"${node}" "${launcher()}" wait & wait`;
    const shell = Bun.spawn(["sh", "-c", script], {
      env: { ...process.env, npm_command: "exec" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const reader = shell.stdout.getReader();
    await reader.read();
    shell.kill("SIGKILL");
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("got SIGTERM\n");
    expect((await reader.read()).done).toBe(true);
  });
});
