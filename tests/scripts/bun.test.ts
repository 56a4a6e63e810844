import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPlatform } from "../../scripts/platforms.ts";
import { repository } from "../support/binary.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

// The project is a made-up one. Its package manager puts a shell script in the place of Bun, and both write down
// what they are asked.
const bunPackage = hostPlatform()?.runtime ?? "";
const node = Bun.which("node");

let project: string;
const at = (path: string): string => join(project, path);
const calls = async (): Promise<readonly string[]> => {
  const text = await Bun.file(at("calls")).text();
  return text.trimEnd().split("\n");
};
const exists = (path: string): Promise<boolean> => Bun.file(at(path)).exists();

const fakeBun = `#!/bin/sh
echo "bun $*" >> "$CALLS"
case "$1" in
  exit) exit "$2";;
  die) kill -KILL $$;;
  path) echo "$PATH";;
  wait) exec "$REAL_BUN" -e 'process.on("SIGTERM", () => process.exit(5)); console.log("waiting"); setInterval(() => {}, 1000)';;
esac
`;

const fakeNpm = `
const fs = require("node:fs");
fs.appendFileSync(process.env.CALLS, "npm " + process.argv.slice(2).join(" ") + "\\n");
if (process.env.NPM === "hangs") setInterval(() => {}, 1000);
else if (process.env.NPM === "fails") {
  console.error("the registry says no");
  process.exit(1);
} else {
  const { packages } = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
  for (const [path, { version, integrity }] of Object.entries(packages)) {
    if (path === "") continue;
    fs.appendFileSync(process.env.CALLS, path + " " + version + " " + integrity + "\\n");
    fs.mkdirSync(path + "/bin", { recursive: true });
    fs.writeFileSync(path + "/package.json", JSON.stringify({ version }));
    fs.copyFileSync(process.env.FAKE_BUN, path + "/bin/bun");
    fs.chmodSync(path + "/bin/bun", 0o755);
  }
}
`;

const pin = async (version: string): Promise<void> => {
  await Bun.write(at("package.json"), JSON.stringify({ devDependencies: { bun: version } }));
  await Bun.write(
    at("bun.lock"),
    `    "${bunPackage}": ["${bunPackage}@${version}", "", {}, "sha512-QUJD${version}"],\n`,
  );
};

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "with spaces-"));
  await mkdir(at("scripts"));
  await copyFile(join(repository, "scripts/bun.mjs"), at("scripts/bun.mjs"));
  await Bun.write(at("npm-cli.js"), fakeNpm);
  await Bun.write(at("fake-bun"), fakeBun);
  await pin("9.9.9");
});
afterEach(() => rm(project, { recursive: true, force: true }));

const start = (args: readonly string[], npm = "") =>
  Bun.spawn([node ?? "", at("scripts/bun.mjs"), ...args], {
    env: {
      ...process.env,
      npm_execpath: at("npm-cli.js"),
      NPM: npm,
      CALLS: at("calls"),
      FAKE_BUN: at("fake-bun"),
      REAL_BUN: process.execPath,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });

const run = async (args: readonly string[], npm = "") => {
  const child = start(args, npm);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
};

const reinstall = [
  "npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier",
  `node_modules/${bunPackage} 9.9.9 sha512-QUJD9.9.9`,
  "bun install --frozen-lockfile --ignore-scripts",
];

describe.skipIf(node === null)("scripts/bun.mjs", () => {
  test("the first run installs the pinned Bun by its digest in bun.lock, then the dependencies, and says so", async () => {
    const { stderr } = await run(["src/main.ts", "demo"]);
    expect(await calls()).toEqual([...reinstall, "bun src/main.ts demo"]);
    expect(stderr).toBe("Installing Bun 9.9.9 and the dependencies\n");
    expect((await readdir(project)).filter((name) => name.includes("lock"))).toEqual(["bun.lock"]);
    expect(await readdir(at("node_modules"))).not.toContain(".bun");
  });

  test("the second run only runs, without a word", async () => {
    await run(["a"]);
    const { stderr } = await run(["b"]);
    expect((await calls()).slice(reinstall.length)).toEqual(["bun a", "bun b"]);
    expect(stderr).toBe("");
  });

  test("changed dependencies are installed with the Bun that is there", async () => {
    await run(["a"]);
    await Bun.write(at("bun.lock"), `${await Bun.file(at("bun.lock")).text()}\n`);
    const { stderr } = await run(["b"]);
    expect((await calls()).slice(reinstall.length + 1)).toEqual([reinstall[2] ?? "", "bun b"]);
    expect(stderr).toBe("Installing the dependencies\n");
  });

  test("another pinned version replaces the Bun that is there", async () => {
    await run(["a"]);
    await pin("9.9.10");
    await run(["b"]);
    expect(await calls()).toContain(`node_modules/${bunPackage} 9.9.10 sha512-QUJD9.9.10`);
  });

  test("a version that bun.lock does not hold is refused", async () => {
    await Bun.write(at("package.json"), JSON.stringify({ devDependencies: { bun: "9.9.8" } }));
    const { code, stderr } = await run(["a"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`Bun 9.9.8 for this platform (${bunPackage}) is not in bun.lock`);
  });

  test("a failed installation shows why, runs nothing, and does not stand in the way of the next", async () => {
    const { code, stderr } = await run(["a"], "fails");
    expect(code).toBe(1);
    expect(stderr).toContain("the registry says no");
    await run(["b"]);
    expect((await calls()).slice(1)).toEqual([...reinstall, "bun b"]);
  });

  test("after an interrupted installation everything is installed afresh", async () => {
    const child = start(["a"], "hangs");
    await child.stderr.getReader().read();
    child.kill("SIGTERM");
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
    expect(await exists("node_modules/.installing")).toBe(true);
    await Bun.write(at("node_modules/half"), "");
    await Bun.write(at("calls"), "");
    await run(["b"]);
    expect(await calls()).toEqual([...reinstall, "bun b"]);
    expect(await exists("node_modules/half")).toBe(false);
  });

  test("a second process waits for the one that installs", async () => {
    await run(["a"]);
    await Bun.write(at("bun.lock"), `${await Bun.file(at("bun.lock")).text()}\n`);
    await Bun.write(at("node_modules/.installing"), String(process.pid));
    const child = start(["b"]);
    const { value } = await child.stderr.getReader().read();
    expect(Buffer.from(value ?? []).toString()).toBe("Waiting for another installation\n");
    expect(await calls()).not.toContain("bun b");
    await rm(at("node_modules/.installing"));
    await child.exited;
    expect(await calls()).toContain("bun b");
  });

  test("the status of the command is passed on", async () => {
    expect(await run(["exit", "7"])).toMatchObject({ code: 7, signal: null });
  });

  test("the signal that ended the command is passed on", async () => {
    expect(await run(["die"])).toMatchObject({ signal: "SIGKILL" });
  });

  test("a signal reaches the command, whose answer to it counts", async () => {
    const child = start(["wait"]);
    await child.stdout.getReader().read();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(5);
  });

  test("the command finds the pinned Bun first", async () => {
    const { stdout } = await run(["path"]);
    expect(stdout).toStartWith(at(`node_modules/${bunPackage}/bin:`));
  });
});
