import { chmod, copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../../package.json";
import { type Platform, executableName, packageName, platforms } from "../platforms.ts";
import { bundleOptions } from "./compile.ts";

const { version, description, license } = manifest;

/** Manifest of the package that a person installs: a launcher, the product for Bun, and where the rest is. */
const launcherManifest = {
  name: "vllm-router",
  version,
  description,
  license,
  type: "module",
  bin: { "vllm-router": "vllm-router.js" },
  engines: { node: ">=18", bun: `>=${manifest.devDependencies.bun}` },
  optionalDependencies: Object.fromEntries(platforms.map((platform) => [packageName(platform), version])),
};

/** Manifest of the package with the executable of one platform; package managers skip it on all others. */
const platformManifest = (platform: Platform) => ({
  name: packageName(platform),
  version,
  description: `The executable of vllm-router for ${platform.name}`,
  license,
  os: [platform.os],
  cpu: [platform.cpu],
  ...(platform.libc === undefined ? {} : { libc: [platform.libc] }),
  // Yarn's zipped packages cannot be executed from.
  preferUnplugged: true,
});

/** Where the packages come from. */
export interface NpmInput {
  readonly root: string;
  readonly entry: string;
  /** The executables to make platform packages of. */
  readonly executables: ReadonlyMap<Platform, string>;
  /** Papers that every package carries: file name to path. */
  readonly documents: ReadonlyMap<string, string>;
  /** Gets one folder for each package, ready for `npm publish`; what it held before is removed. */
  readonly folder: string;
}

/** Assembles the npm packages. Nothing in them runs at installation. */
export const assembleNpm = async ({
  root,
  entry,
  executables,
  documents,
  folder,
}: NpmInput): Promise<void> => {
  await rm(folder, { recursive: true, force: true });
  const addPackage = async (name: string, contents: object): Promise<string> => {
    const path = join(folder, name);
    await mkdir(path, { recursive: true });
    await Bun.write(join(path, "package.json"), `${JSON.stringify(contents, undefined, 2)}\n`);
    for (const [document, source] of documents) await copyFile(source, join(path, document));
    return path;
  };

  const launcher = await addPackage("vllm-router", launcherManifest);
  await Bun.build({
    ...bundleOptions,
    entrypoints: [entry],
    target: "bun",
    outdir: launcher,
    naming: "router.js",
  });
  await Bun.build({
    entrypoints: [join(root, "scripts/npm/launcher.ts")],
    target: "node",
    outdir: launcher,
    naming: "vllm-router.js",
    define: { OLDEST_BUN: JSON.stringify(manifest.devDependencies.bun) },
  });
  await chmod(join(launcher, "vllm-router.js"), 0o755);

  for (const [platform, executable] of executables) {
    const path = await addPackage(platform.name, platformManifest(platform));
    await copyFile(executable, join(path, executableName(platform.os)));
  }
};
