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

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How often a launcher under `npm exec` looks whether that is still there. */
const parentCheckMs = 500;

/** Runs the executable as this process's deputy: signals go to it, its end is ours. */
const runExecutable = (path: string): void => {
  // The executable ends when this launcher is gone, however it went.
  const env = { ...process.env, VLLM_ROUTER_SHIM: "1" };
  const child = spawn(path, process.argv.slice(2), { stdio: "inherit", env });
  const passOn = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, passOn);

  // Whoever stops `npx` stops npm or the shell below it, and neither tells us.
  if (process.env["npm_command"] === "exec") {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) child.kill("SIGTERM");
    }, parentCheckMs).unref();
  }

  child.once("error", (error) => fail(`${path}: ${error.message}`));
  child.once("exit", (code, signal) => {
    for (const name of signals) process.off(name, passOn);
    process.exitCode = code ?? 1;
    if (signal !== null) process.kill(process.pid, signal);
  });
};

if (process.versions.bun !== undefined && Bun.semver.order(Bun.version, OLDEST_BUN) >= 0) {
  // Not a literal, so that neither the bundler nor the compiler looks for a file that assembling puts there.
  const product = "./router.js";
  await import(product);
} else {
  runExecutable(findExecutable());
}
