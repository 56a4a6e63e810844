import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "./build/compile.ts";
import { thirdPartyNotices } from "./build/notices.ts";
import { assembleNpm } from "./build/npm.ts";
import { writeRelease } from "./build/release.ts";
import { fetchRuntimes } from "./build/runtimes.ts";
import { type Platform, executableName, hostPlatform, platforms } from "./platforms.ts";

const names = platforms.map(({ name }) => name).join(", ");

const usage = `Usage:
  bun run build                     the executable for this machine: dist/vllm-router
  bun run build --platform <name>   the same for another platform
  bun run build --all               an archive for every platform and SHA256SUMS: dist/release/
  bun run build --npm               the npm packages of every platform: dist/npm/

Options:
  --platform <name>   with --all or --npm, only this platform; may be repeated
  --outdir <folder>   instead of dist
  --entry <file>      instead of src/main.ts

Platforms: ${names}
`;

const root = dirname(import.meta.dir);

const { values: options } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    npm: { type: "boolean", default: false },
    platform: { type: "string", multiple: true, default: [] },
    outdir: { type: "string", default: join(root, "dist") },
    entry: { type: "string", default: join(root, "src/main.ts") },
    help: { type: "boolean", default: false },
  },
});

const thisMachine = (): Platform => {
  const platform = hostPlatform();
  if (platform === undefined) throw new Error(`no release is built for ${process.platform} ${process.arch}`);
  return platform;
};

const chosenPlatforms = (): readonly Platform[] => {
  if (options.platform.length === 0) return options.all || options.npm ? platforms : [thisMachine()];
  return options.platform.map((name) => {
    const platform = platforms.find((candidate) => candidate.name === name);
    if (platform === undefined) throw new Error(`no platform is called ${name}; there are ${names}`);
    return platform;
  });
};

/** Compiles for each platform; the executable of this machine is made from the Bun that runs this. */
const compileAll = async (
  wanted: readonly Platform[],
  scratch: string,
): Promise<ReadonlyMap<Platform, string>> => {
  const host = hostPlatform();
  const foreign = wanted.filter((platform) => platform !== host);
  const runtimes = await fetchRuntimes(foreign, root, join(scratch, "runtimes"));
  const executables = new Map<Platform, string>();
  for (const platform of wanted) {
    const runtime = runtimes.get(platform) ?? process.execPath;
    const folder = join(scratch, platform.name);
    executables.set(platform, await compile({ entry: options.entry, platform, runtime, folder }));
  }
  return executables;
};

const report = (path: string): void => {
  process.stdout.write(`${relative(process.cwd(), path)}\n`);
};

const build = async (): Promise<void> => {
  const wanted = chosenPlatforms();
  if (wanted.length > 1 && !options.all && !options.npm)
    throw new Error("several platforms go together only with --all or --npm");
  await mkdir(options.outdir, { recursive: true });
  const scratch = await mkdtemp(join(options.outdir, ".build-"));
  try {
    const executables = await compileAll(wanted, scratch);
    const notices = join(options.outdir, "THIRD-PARTY-NOTICES");
    await Bun.write(notices, await thirdPartyNotices(options.entry));
    if (!options.all && !options.npm) {
      for (const [platform, path] of executables) {
        const outfile = join(options.outdir, executableName(platform.os));
        await rename(path, outfile);
        report(outfile);
      }
      return;
    }
    const documents = new Map([
      ["LICENSE", join(root, "LICENSE")],
      ["README.md", join(root, "README.md")],
      ["THIRD-PARTY-NOTICES", notices],
    ]);
    const { entry, outdir } = options;
    if (options.all) {
      const folder = join(outdir, "release");
      await writeRelease({ executables, documents, folder });
      report(folder);
    }
    if (options.npm) {
      const folder = join(outdir, "npm");
      await assembleNpm({ root, entry, executables, documents, folder });
      report(folder);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

if (options.help) process.stdout.write(usage);
else
  await build().catch((error: Error) => {
    // A failed bundle is an AggregateError of what the compiler found.
    const details = error instanceof AggregateError ? error.errors.map((detail) => Bun.inspect(detail)) : [];
    process.stderr.write(`${[error.message, ...details].join("\n")}\n`);
    process.exitCode = 1;
  });
