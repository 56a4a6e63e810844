import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeRelease } from "../../../scripts/build/release.ts";
import { platforms } from "../../../scripts/platforms.ts";

let folder: string;
let release: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "release-"));
  release = join(folder, "release");
  await Bun.write(join(folder, "LICENSE"), "license");
  const documents = new Map([["LICENSE", join(folder, "LICENSE")]]);
  const executables = new Map(platforms.map((platform) => [platform, join(folder, platform.name)]));
  for (const [{ name }, path] of executables) await Bun.write(path, `made for ${name}`);
  await Bun.write(join(release, "stale.zip"), "from an earlier build");
  await writeRelease({ executables, documents, folder: release });
});
afterAll(() => rm(folder, { recursive: true }));

describe("writeRelease", () => {
  test("makes an archive for every platform, a zip for Windows, and leaves nothing older", async () => {
    expect((await readdir(release)).toSorted()).toEqual([
      "SHA256SUMS",
      "vllm-router-darwin-arm64.tar.gz",
      "vllm-router-darwin-x64.tar.gz",
      "vllm-router-linux-arm64-musl.tar.gz",
      "vllm-router-linux-arm64.tar.gz",
      "vllm-router-linux-x64-musl.tar.gz",
      "vllm-router-linux-x64.tar.gz",
      "vllm-router-windows-x64.zip",
    ]);
  });

  test("every archive holds its platform's executable and the documents in one folder", async () => {
    for (const { name } of platforms.filter((platform) => platform.os !== "win32")) {
      const bytes = await Bun.file(join(release, `vllm-router-${name}.tar.gz`)).bytes();
      const files = await new Bun.Archive(bytes).files();
      expect([...files.keys()]).toEqual([`vllm-router-${name}/vllm-router`, `vllm-router-${name}/LICENSE`]);
      expect(await files.get(`vllm-router-${name}/vllm-router`)?.text()).toBe(`made for ${name}`);
    }
  });

  test("the digests are those of the archives", async () => {
    const sums = await Bun.file(join(release, "SHA256SUMS")).text();
    const lines = sums.trimEnd().split("\n");
    expect(lines).toHaveLength(platforms.length);
    for (const line of lines) {
      const [digest = "", name = ""] = line.split("  ");
      expect(Bun.SHA256.hash(await Bun.file(join(release, name)).bytes(), "hex")).toBe(digest);
    }
  });
});
