import { join } from "node:path";
import { type Platform, executableName } from "../platforms.ts";

/** What every bundle of the product has in common, compiled or not. */
export const bundleOptions = {
  minify: true,
  sourcemap: "none",
  define: { "process.env.NODE_ENV": '"production"' },
} as const satisfies Partial<Bun.BuildConfig>;

/** What `compile` makes an executable of. */
export interface CompileInput {
  readonly entry: string;
  readonly platform: Platform;
  /** The Bun of that platform. */
  readonly runtime: string;
  /** Gets the executable. */
  readonly folder: string;
}

/**
 * Writes a standalone executable and gives its path; equal sources give equal bytes.
 *
 * It reads neither `.env` nor `bunfig.toml` from its working directory: a `preload` there would run as code. The
 * name of the file that Bun writes becomes part of its bytes, so only the folder is for the caller to choose.
 */
export const compile = async ({ entry, platform, runtime, folder }: CompileInput): Promise<string> => {
  const outfile = join(folder, executableName(platform.os));
  await Bun.build({
    ...bundleOptions,
    entrypoints: [entry],
    // Halves the time to the first answer. The format is named because bytecode would change it to CommonJS.
    bytecode: true,
    format: "esm",
    compile: {
      target: platform.target,
      executablePath: runtime,
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  return outfile;
};
