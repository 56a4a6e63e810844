import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { outputOf } from "./child.ts";

/** A router of another project that comes as a wheel: Rust behind a Python command line. */
export interface RustRouter {
  /** Its name on PyPI. */
  readonly name: string;
  readonly version: string;
  /** The Python module that starts it. */
  readonly module: string;
}

/** The two routers that platform engineers compare with; their wheels need no vLLM. */
export const rustRouters = {
  vllm: {
    name: "vllm-router",
    version: "0.1.17",
    module: "vllm_router.launch_router",
  },
  sglang: {
    name: "sglang-router",
    version: "0.3.2",
    module: "sglang_router.launch_router",
  },
} as const satisfies Record<string, RustRouter>;

const exists = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const lastLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().split("\n").at(-1) ?? "";

const install = async (folder: string, { name, version }: RustRouter): Promise<void> => {
  await outputOf(["python3", "-m", "venv", folder]);
  const pip = [join(folder, "bin/python"), "-m", "pip", "install", "--quiet", "--no-input"];
  await outputOf([...pip, "--only-binary", ":all:", `${name}==${version}`]);
};

/**
 * The Python of an environment that has the router, made at the first call below `root`'s node_modules, which
 * throws it away; or why there is none.
 */
export const pythonWith = async (
  router: RustRouter,
  root: string,
): Promise<{ readonly python: string } | { readonly missing: string }> => {
  if (Bun.which("python3") === null) return { missing: "python3 is not installed" };
  const cache = join(root, "node_modules/.cache/bench");
  const folder = join(cache, `${router.name}-${router.version}`);
  const done = join(folder, "installed");
  const python = join(folder, "bin/python");
  if (await exists(done)) return { python };
  try {
    await mkdir(cache, { recursive: true });
    await rm(folder, { recursive: true, force: true });
    await install(folder, router);

    await Bun.write(done, "");

    return { python };
  } catch (error) {
    return { missing: `${router.name} ${router.version} cannot be installed: ${lastLine(error)}` };
  }
};
