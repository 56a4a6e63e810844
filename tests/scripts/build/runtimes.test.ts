import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import manifest from "../../../package.json";
import { lockedIntegrity } from "../../../scripts/build/runtimes.ts";
import { platforms } from "../../../scripts/platforms.ts";
import { repository } from "../../support/binary.ts";

const lock = await Bun.file(join(repository, "bun.lock")).text();
const pinned = manifest.devDependencies.bun;

describe("lockedIntegrity", () => {
  test("finds the pinned Bun of every platform in bun.lock, each with its own digest", () => {
    const digests = platforms.map(({ runtime }) => lockedIntegrity(lock, runtime, pinned));
    for (const digest of digests) expect(digest).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(new Set(digests).size).toBe(platforms.length);
  });

  test("refuses a version that bun.lock does not hold", () => {
    expect(() => lockedIntegrity(lock, "@oven/bun-linux-x64", "0.0.1")).toThrow("@oven/bun-linux-x64 0.0.1");
  });
});
