import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../../package.json";
import type { Platform } from "../platforms.ts";
import { run } from "./run.ts";

const executable = (modules: string, platform: Platform): string =>
  join(modules, platform.runtime, "bin", platform.os === "win32" ? "bun.exe" : "bun");

/** The digest that the lock file records for a package, such as `sha512-...`. */
export const lockedIntegrity = (lock: string, name: string, version: string): string => {
  const entry = lock
    .split("\n")
    .find((line) => line.trimStart().startsWith(`"${name}": ["${name}@${version}"`));
  const integrity = entry?.match(/"(sha512-[^"]+)"/)?.[1];
  if (integrity === undefined) throw new Error(`${name} ${version} is not in bun.lock`);
  return integrity;
};

/**
 * Fetches the pinned Bun of every given platform from the npm registry into `folder` and tells where each is.
 *
 * `bun build` would download them itself, but without a digest to check them against (oven-sh/bun#36173) and
 * without regard to a configured registry. Here the package manager checks them against bun.lock.
 */
export const fetchRuntimes = async (
  wanted: readonly Platform[],
  root: string,
  folder: string,
): Promise<ReadonlyMap<Platform, string>> => {
  if (wanted.length === 0) return new Map();
  const version = manifest.devDependencies.bun;
  const lock = await Bun.file(join(root, "bun.lock")).text();
  const dependencies = Object.fromEntries(wanted.map(({ runtime }) => [runtime, version]));
  const locked = wanted.map(({ runtime }) => [
    `node_modules/${runtime}`,
    { version, integrity: lockedIntegrity(lock, runtime, version) },
  ]);
  const packages = { "": { dependencies }, ...Object.fromEntries(locked) };
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Bun.write(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  await Bun.write(join(folder, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages }));
  const everything = ["--os=*", "--cpu=*", "--libc=*"];
  await run([process.execPath, "install", "--frozen-lockfile", "--ignore-scripts", ...everything], folder);
  return new Map(wanted.map((platform) => [platform, executable(join(folder, "node_modules"), platform)]));
};
