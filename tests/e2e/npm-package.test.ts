import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import manifest from "../../package.json";
import { hostPlatform, packageName, platforms } from "../../scripts/platforms.ts";
import { repository } from "../support/binary.ts";
import { startServing } from "../support/serving-process.ts";

const minute = 60_000;
// npm alone takes a second to start, and several on a busy machine.
setDefaultTimeout(minute / 2);

const npm = Bun.which("npm");
const host = hostPlatform();

let folder: string;
const at = (path: string): string => join(folder, path);

/** The environment without what a surrounding `npm run` adds, and with only the given folders to find programs in. */
const environment = (path: readonly string[]): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"))),
  PATH: path.join(":"),
  // npm sets it, and where it is set bunx puts nothing in the place of a missing Node.js.
  NODE: undefined,
  // npm asks the registry for a newer npm even when it is told to be offline.
  npm_config_update_notifier: "false",
});
const withNode = () => environment([dirname(npm ?? ""), "/usr/bin", "/bin"]);
/** Only Bun and a shell. */
const withBun = () => environment([at("bin")]);

const run = async (args: readonly string[], cwd: string, env: Record<string, string | undefined>) => {
  const child = Bun.spawn([...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, stdout, stderr };
};

const succeed = async (...given: Parameters<typeof run>): Promise<void> => {
  const { code, stderr } = await run(...given);
  if (code !== 0) throw new Error(`${given[0].join(" ")}: ${stderr}`);
};

const versionLine = { code: 0, stdout: `vllm-router ${manifest.version}\n`, stderr: "" };

describe.skipIf(npm === null || host === undefined)("the npm packages", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "npm-package-"));
    const build = [process.execPath, join(repository, "scripts/build.ts"), "--npm", "--outdir", at("dist")];
    await succeed([...build, "--platform", host?.name ?? ""], repository, process.env);
    await mkdir(at("tarballs"));
    const packages = [at("dist/npm/vllm-router"), at(`dist/npm/${host?.name}`)];
    await succeed(["npm", "pack", "--pack-destination", at("tarballs"), ...packages], folder, withNode());
    await mkdir(at("bin"));
    for (const [name, target] of [
      ["bun", process.execPath],
      ["bunx", process.execPath],
      ["sh", "/bin/sh"],
    ] as const)
      await symlink(target, at(`bin/${name}`));
    const tarballs = [...new Bun.Glob("*.tgz").scanSync({ cwd: at("tarballs"), absolute: true })];
    for (const name of ["node", "bun"]) await Bun.write(at(`${name}/package.json`), "{}");
    const off = ["--offline", "--ignore-scripts"];
    await succeed(["npm", "install", ...off, "--no-audit", "--no-fund", ...tarballs], at("node"), withNode());
    await succeed(["bun", "add", ...off, ...tarballs], at("bun"), withBun());
  }, 3 * minute);
  afterAll(() => rm(folder, { recursive: true }));

  test("run no script at installation and name the package of every platform", async () => {
    const installed = await Bun.file(at("node/node_modules/vllm-router/package.json")).json();
    expect(installed.scripts).toBeUndefined();
    expect(installed.dependencies).toBeUndefined();
    const names = platforms.map((platform) => [packageName(platform), manifest.version]);
    expect(installed.optionalDependencies).toEqual(Object.fromEntries(names));
  });

  test("carry the license, the notices and the README", async () => {
    for (const name of ["vllm-router", host === undefined ? "" : packageName(host)])
      for (const document of ["LICENSE", "THIRD-PARTY-NOTICES", "README.md"])
        expect(Bun.file(at(`node/node_modules/${name}/${document}`)).size).toBeGreaterThan(0);
  });

  describe("with Node.js and no Bun", () => {
    test("vllm-router runs the executable", async () => {
      expect(await run(["node_modules/.bin/vllm-router", "--version"], at("node"), withNode())).toEqual(
        versionLine,
      );
    });

    test("npx runs it, and its status is passed on", async () => {
      const npx = ["npx", "--offline", "vllm-router"];
      const { code, stdout } = await run([...npx, "--version"], at("node"), withNode());
      expect({ code, stdout }).toEqual({ code: 0, stdout: versionLine.stdout });
      expect((await run([...npx, "--no-such-flag"], at("node"), withNode())).code).toBe(2);
    });

    for (const signal of ["SIGTERM", "SIGINT"] as const)
      test(`${signal} to the launcher ends the router`, async () => {
        const command = ["node_modules/.bin/vllm-router"];
        await using router = await startServing({ command, cwd: at("node"), env: withNode() });
        expect((await fetch(`${router.url}/health`)).status).toBe(200);
        router.process.kill(signal);
        expect(await router.process.exited).toBe(0);
        expect(await router.output).toContain("Ended");
        await expectFree(router.url);
      });

    test("the router ends when the launcher is killed", async () => {
      const command = ["node_modules/.bin/vllm-router"];
      await using router = await startServing({ command, cwd: at("node"), env: withNode() });
      router.process.kill("SIGKILL");
      expect(await router.output).toContain("Ended");
      await expectFree(router.url);
    });

    test("the router ends when npx is told to", async () => {
      const command = ["npx", "--offline", "vllm-router"];
      await using router = await startServing({ command, cwd: at("node"), env: withNode() });
      router.process.kill("SIGTERM");
      expect(await router.output).toContain("Ended");
      await expectFree(router.url);
    });
  });

  describe("with Bun and no Node.js", () => {
    // Nothing but the product in process is left to run.
    beforeAll(() => rm(at("bun/node_modules/@vllm-router"), { recursive: true }));

    test("bunx runs the product in process, and its status is passed on", async () => {
      expect(await run(["bunx", "vllm-router", "--version"], at("bun"), withBun())).toEqual(versionLine);
      expect((await run(["bunx", "vllm-router", "--no-such-flag"], at("bun"), withBun())).code).toBe(2);
    });

    for (const signal of ["SIGTERM", "SIGINT"] as const)
      test(`${signal} to bunx ends the router`, async () => {
        await using router = await startServing({
          command: ["bunx", "vllm-router"],
          cwd: at("bun"),
          env: withBun(),
        });
        expect((await fetch(`${router.url}/health`)).status).toBe(200);
        router.process.kill(signal);
        expect(await router.process.exited).toBe(0);
        expect(await router.output).toContain("Ended");
        await expectFree(router.url);
      });

    test("the router ends when bunx is killed", async () => {
      await using router = await startServing({
        command: ["bunx", "vllm-router"],
        cwd: at("bun"),
        env: withBun(),
      });
      router.process.kill("SIGKILL");
      expect(await router.output).toContain("Ended");
      await expectFree(router.url);
    });
  });
});

/** The port can be listened on again. */
const expectFree = async (url: string): Promise<void> => {
  const { hostname, port } = new URL(url);
  const server = Bun.serve({ hostname, port, fetch: () => new Response() });
  expect(server.port).toBe(Number(port));
  await server.stop(true);
};
