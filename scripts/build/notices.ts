import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleOptions } from "./compile.ts";

const heading = `Licenses of the software that vllm-router contains.

The executable also contains Bun, whose license is at https://bun.com/docs/project/license.
`;

/** Folder of the package that a bundled file belongs to, such as `/x/node_modules/@scope/name`. */
const packageFolder = (path: string): string | undefined =>
  path.replaceAll("\\", "/").match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];

const licenseText = async (folder: string): Promise<string> => {
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) throw new Error(`${folder} has no license file`);
  return readFile(join(folder, file), "utf8");
};

/** The licenses of all packages from npm that end up in a bundle of `entry`. */
export const thirdPartyNotices = async (entry: string): Promise<string> => {
  const { metafile } = await Bun.build({
    ...bundleOptions,
    entrypoints: [entry],
    target: "bun",
    metafile: true,
  });
  const paths = Object.values(metafile?.outputs ?? {}).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(paths.map(packageFolder).filter((folder) => folder !== undefined));
  const sections = [...folders].toSorted().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
      name: string;
      version: string;
    };
    return `${name} ${version}\n\n${(await licenseText(folder)).trim()}\n`;
  });
  return [heading, ...(await Promise.all(sections))].join(`\n${"-".repeat(80)}\n\n`);
};
