#!/usr/bin/env node
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { executableName, hostPlatform, packageName } from "../platforms.ts";

/** Replaced when the launcher is bundled: the oldest Bun that runs the product in process. */
declare const OLDEST_BUN: string;

const fail = (message: string): never => {
  process.stderr.write(`vllm-router: ${message}\n`);
  process.exit(1);
};

const otherWays = `run it with Bun ${OLDEST_BUN} or later (bunx --bun vllm-router), or download the executable`;

/** The executable of this machine's platform package. */
const findExecutable = (): string => {
  const platform = hostPlatform();
  if (platform === undefined)
    return fail(`no executable for ${process.platform} ${process.arch}; ${otherWays}`);
  const name = packageName(platform);
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    return join(dirname(manifest), executableName(platform.os));
  } catch {
    return fail(`the package ${name} is not installed: install without --omit=optional, ${otherWays}`);
  }
};

/** `npx` and `bunx` can be stopped without a word to what they run. */
const isUnderPackageRunner = process.env["npm_command"] === "exec";

/** How often a launcher under a package runner looks whether that is still there. */
const parentCheckMs = 500;

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs the executable in place of this process: signals go to it, and its end is ours. */
const runExecutable = (path: string): void => {
  const passOn = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  // Before the child exists: a signal that comes at once must not end this process alone.
  for (const signal of signals) process.on(signal, passOn);
  const child = spawn(path, process.argv.slice(2), {
    stdio: "inherit",
    // Tells it to end when this launcher is gone, however it went.
    env: { ...process.env, VLLM_ROUTER_SHIM: "1" },
  });
  if (isUnderPackageRunner) {
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      child.kill("SIGTERM");
    }, parentCheckMs);
    timer.unref();
  }
  child.once("error", (error) => fail(`${path}: ${error.message}`));
  child.once("exit", (code, signal) => {
    for (const name of signals) process.off(name, passOn);
    process.exitCode = code ?? 1;
    if (signal !== null) process.kill(process.pid, signal);
  });
};

if (process.versions.bun !== undefined && Bun.semver.order(Bun.version, OLDEST_BUN) >= 0) {
  if (isUnderPackageRunner) process.env["VLLM_ROUTER_SHIM"] = "1";
  // Not a literal, so that neither the bundler nor the compiler looks for a file that assembling puts there.
  const product = "./router.js";
  await import(product);
} else {
  runExecutable(findExecutable());
}
