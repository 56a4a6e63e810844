import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Platform, executableName } from "../platforms.ts";
import { tarGz, zip } from "./archive.ts";

/** Where the archives come from. */
export interface ReleaseInput {
  readonly executables: ReadonlyMap<Platform, string>;
  /** Papers that every archive carries: file name to path. */
  readonly documents: ReadonlyMap<string, string>;
  /** Gets the archives and SHA256SUMS; what it held before is removed. */
  readonly folder: string;
}

/** File name of a platform's archive; it has no version, so that a link to the latest release stays valid. */
const archiveName = ({ name, os }: Platform): string =>
  `vllm-router-${name}.${os === "win32" ? "zip" : "tar.gz"}`;

/** Writes one archive for each platform, with one folder inside, and their digests as `sha256sum -c` reads them. */
export const writeRelease = async ({ executables, documents, folder }: ReleaseInput): Promise<void> => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const digests: string[] = [];
  for (const [platform, executable] of executables) {
    const inside = `vllm-router-${platform.name}`;
    const papers = [...documents].map(async ([name, path]) => ({
      path: `${inside}/${name}`,
      bytes: await readFile(path),
      isExecutable: false,
    }));
    const program = {
      path: `${inside}/${executableName(platform.os)}`,
      bytes: await readFile(executable),
      isExecutable: true,
    };
    const pack = platform.os === "win32" ? zip : tarGz;
    const archive = await pack([program, ...(await Promise.all(papers))]);
    await Bun.write(join(folder, archiveName(platform)), archive);
    digests.push(`${Bun.SHA256.hash(archive, "hex")}  ${archiveName(platform)}\n`);
  }
  await Bun.write(join(folder, "SHA256SUMS"), digests.join(""));
};
