import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import lock from "../../bun.lock";
import manifest from "../../package.json";
import { repository } from "../support/binary.ts";

/** Whoever adds a package raises these on purpose; what is compiled into the executable is a part of the second. */
const MOST_PACKAGES = 280;
const MOST_PRODUCTION_PACKAGES = 125;

interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const packages = lock.packages as unknown as Readonly<
  Record<string, readonly [string, string, Needs, string]>
>;

/** Every package that these need, by its name in the lock file. */
const closure = (roots: readonly string[]): ReadonlySet<string> => {
  const found = new Set<string>();
  const visit = (name: string, within: string): void => {
    const key = [`${within}/${name}`, name].find((candidate) => candidate in packages);
    if (key === undefined || found.has(key)) return;
    found.add(key);
    const needs = packages[key]?.[2];
    for (const needed of Object.keys({ ...needs?.dependencies, ...needs?.optionalDependencies }))
      visit(needed, key);
  };
  for (const name of roots) visit(name, "");
  return found;
};
describe("the packages in use", () => {
  const direct = { ...manifest.dependencies, ...manifest.devDependencies };

  test("are named by exact versions", () => {
    expect(Object.entries(direct).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  test("come from the registry, each with a digest", () => {
    const odd = Object.entries(packages).filter(
      ([, [, registry, , digest]]) => registry !== "" || !/^sha512-[\w+/]{86}==$/.test(digest),
    );
    expect(odd.map(([name]) => name)).toEqual([]);
  });

  test("are few", () => {
    expect(Object.keys(packages).length).toBeLessThanOrEqual(MOST_PACKAGES);
    const production = closure(Object.keys(manifest.dependencies));
    expect(production).toContain("hono");
    expect(production).not.toContain("knip");
    expect(production.size).toBeLessThanOrEqual(MOST_PRODUCTION_PACKAGES);
  });

  test("run no scripts of theirs when they are installed", async () => {
    const settings = Bun.TOML.parse(await Bun.file(join(repository, "bunfig.toml")).text());
    expect(settings).toEqual({ install: { exact: true, ignoreScripts: true } });
    expect(manifest).not.toHaveProperty("trustedDependencies");
  });
});

describe("bun.lock", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lock-"));
    await cp(join(repository, "bun.lock"), join(folder, "bun.lock"));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  const install = async (dependencies: Readonly<Record<string, string>>): Promise<string> => {
    await Bun.write(join(folder, "package.json"), JSON.stringify({ ...manifest, dependencies }));
    const child = Bun.spawn([process.execPath, "install", "--frozen-lockfile", "--dry-run"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const complaint = await child.stderr.text();
    return (await child.exited) === 0 ? "" : complaint;
  };

  test("is that of package.json", async () => {
    expect(await install(manifest.dependencies)).toBe("");
    expect(await install({ ...manifest.dependencies, cac: "7.0.0" })).toContain("lockfile");
  });
});
