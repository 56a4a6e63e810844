#!/usr/bin/env node
// `node scripts/bun.mjs ARGS` is `bun ARGS` with the Bun that package.json pins, on a machine that may have only
// Node.js with npm, or only Bun. It runs before anything is installed: plain JavaScript, no imports from npm.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const lock = readFileSync(join(root, "bun.lock"), "utf8");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const version = manifest.devDependencies.bun;
const isWindows = process.platform === "win32";

/** The npm package with Bun's executable for this machine. */
const bunPackage = (() => {
  const os = isWindows ? "windows" : process.platform;
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch;
  if (os !== "linux") return `@oven/bun-${os}-${cpu}`;
  // Without this the report asks the resolver for the name of every peer, which can take seconds.
  process.report.excludeNetwork = true;
  const isMusl = process.report.getReport().header.glibcVersionRuntime === undefined;
  return `@oven/bun-linux-${cpu}${isMusl ? "-musl" : ""}`;
})();
const bunFolder = join(modules, bunPackage, "bin");
const bun = join(bunFolder, isWindows ? "bun.exe" : "bun");

/** Holds a digest of what node_modules was installed from. */
const stamp = join(modules, ".installed");
const wanted = createHash("sha256")
  .update(JSON.stringify([bunPackage, lock, manifest.dependencies, manifest.devDependencies]))
  .digest("hex");

/** Holds the process id of a running installation; where the process is gone, node_modules is half-made. */
const claim = join(modules, ".installing");
const claimLimitMs = 10 * 60_000;

const fail = (message) => {
  rmSync(claim, { force: true });
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

/** Ends this process the way a child ended: by the same signal or with the same status. */
const endLike = ({ code, signal }) => {
  if (signal !== null && !isWindows) process.kill(process.pid, signal);
  process.exit(code ?? 128 + constants.signals[signal]);
};

/** Runs a command to its end, passing signals on to it. */
const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    // Before the child exists: a signal that comes at once must not end this process alone.
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    let received = null;
    const passOn = (signal) => {
      received = signal;
      child.kill(signal);
    };
    for (const signal of signals) process.on(signal, passOn);
    const child = spawn(command, args, options);
    const output = [];
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const name of signals) process.off(name, passOn);
      resolve({ code, signal, received, output: Buffer.concat(output).toString() });
    });
  });

/** One step of an installation: silent, unless it fails. */
const step = async (command, args, options) => {
  const result = await run(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] }).catch((error) =>
    fail(`${command}: ${error.message}`),
  );
  // The claim stays, so that the next run starts afresh. npm answers a signal with a status of its own.
  const signal = result.signal ?? result.received;
  if (signal !== null) endLike({ signal });
  if (result.code !== 0)
    fail(`${result.output}\n${[command, ...args].join(" ")}: exit status ${result.code}`);
};

const hasPinnedBun = () =>
  existsSync(bun) &&
  JSON.parse(readFileSync(join(modules, bunPackage, "package.json"), "utf8")).version === version;

const isInstalled = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && hasPinnedBun();

/** False when the process that made the claim is gone. */
const isHeld = () => {
  try {
    if (Date.now() - statSync(claim).mtimeMs > claimLimitMs) return false;
    process.kill(Number(readFileSync(claim, "utf8")), 0);
    return true;
  } catch (error) {
    // ENOENT: its owner has just finished, and the next attempt to claim tells.
    return error.code !== "ESRCH";
  }
};

/** Waits for another installation, clears away an interrupted one, and claims node_modules for this process. */
const claimModules = async () => {
  for (let isWaiting = false; ;) {
    mkdirSync(modules, { recursive: true });
    try {
      writeFileSync(claim, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      // ENOENT: another process clears away an interrupted installation.
      if (error.code !== "EEXIST" && error.code !== "ENOENT") throw error;
    }
    if (!isHeld()) rmSync(modules, { recursive: true, force: true });
    else {
      if (!isWaiting) process.stderr.write("Waiting for another installation\n");
      isWaiting = true;
      await sleep(100);
    }
  }
};

/** The package manager at hand, with the arguments that install exactly what a package-lock.json names. */
const packageManager = () => {
  const runner = process.env.npm_execpath ?? "";
  const bunAtHand = process.versions.bun === undefined ? runner : process.execPath;
  if (/^bun(\.exe)?$/.test(basename(bunAtHand)))
    return { command: bunAtHand, args: ["install", "--frozen-lockfile", "--ignore-scripts"] };
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
  if (basename(runner) === "npm-cli.js") return { command: process.execPath, args: [runner, ...args] };
  return { command: "npm", args, shell: isWindows };
};

/**
 * Puts the pinned Bun where `bun install` would put it. Its own package swaps the executable in with a script,
 * and scripts may be off, so it comes from the platform package, checked against the digest in bun.lock.
 */
const installBun = async () => {
  const entry = lock.split("\n").find((line) => line.trimStart().startsWith(`"${bunPackage}": ["`));
  const integrity = entry?.match(/"(sha512-[^"]+)"/)?.[1];
  if (!entry?.includes(`"${bunPackage}@${version}"`) || integrity === undefined)
    fail(`Bun ${version} for this platform (${bunPackage}) is not in bun.lock`);
  const folder = join(modules, ".bun");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const dependencies = { [bunPackage]: version };
  const packages = { "": { dependencies }, [`node_modules/${bunPackage}`]: { version, integrity } };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages }));
  const { command, args, shell } = packageManager();
  await step(command, args, { cwd: folder, shell });
  rmSync(join(modules, bunPackage), { recursive: true, force: true });
  mkdirSync(dirname(join(modules, bunPackage)), { recursive: true });
  renameSync(join(folder, "node_modules", bunPackage), join(modules, bunPackage));
  rmSync(folder, { recursive: true, force: true });
};

const install = async () => {
  rmSync(stamp, { force: true });
  process.stderr.write(`Installing ${hasPinnedBun() ? "" : `Bun ${version} and `}the dependencies\n`);
  if (!hasPinnedBun()) await installBun();
  await step(bun, ["install", "--frozen-lockfile", "--ignore-scripts"], { cwd: root });
  writeFileSync(stamp, wanted);
};

if (!isInstalled()) {
  await claimModules();
  if (!isInstalled()) await install();
  rmSync(claim, { force: true });
}

const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
const path = [bunFolder, process.env[pathName]].filter(Boolean).join(delimiter);
endLike(
  await run(bun, process.argv.slice(2), { stdio: "inherit", env: { ...process.env, [pathName]: path } }),
);
