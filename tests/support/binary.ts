import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** The repository's top folder. */
export const repository: string = dirname(dirname(import.meta.dir));

const given = process.env["ROUTER_UNDER_TEST"];

/**
 * Starts the product in a process of its own: from source, or the executable that the environment variable
 * ROUTER_UNDER_TEST names, as CI sets it for the end-to-end tests.
 */
export const routerCommand: readonly string[] =
  given === undefined ? [process.execPath, join(repository, "src/main.ts")] : [resolve(given)];

const modifiedAt = async (path: string): Promise<number> => {
  const status = await stat(path).catch(() => undefined);
  return status?.mtimeMs ?? Number.NEGATIVE_INFINITY;
};

// One pattern each: with a slash in braces the runtime's glob finds nothing.
const SOURCES = [
  "src/**",
  "scripts/build.ts",
  "scripts/platforms.ts",
  "scripts/build/*",
  "package.json",
  "bun.lock",
];

const isFresh = async (executable: string): Promise<boolean> => {
  const builtAt = await modifiedAt(executable);
  for (const pattern of SOURCES)
    for await (const path of new Bun.Glob(pattern).scan({ cwd: repository, absolute: true }))
      if ((await modifiedAt(path)) > builtAt) return false;
  return builtAt > Number.NEGATIVE_INFINITY;
};

/** Path of the compiled product: the given executable, or `dist/vllm-router`, built when it is older than a source. */
export const builtBinary = async (): Promise<string> => {
  if (given !== undefined) return resolve(given);
  const executable = join(
    repository,
    "dist",
    process.platform === "win32" ? "vllm-router.exe" : "vllm-router",
  );
  if (await isFresh(executable)) return executable;
  const build = Bun.spawn([process.execPath, join(repository, "scripts/build.ts")], { stderr: "pipe" });
  const problems = await build.stderr.text();
  if ((await build.exited) !== 0) throw new Error(problems);
  return executable;
};
