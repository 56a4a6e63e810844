import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCgroupMemory, readCgroupProcessors } from "../src/cgroup.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "router-cgroup-"));
});
afterAll(async () => rm(folder, { recursive: true }));

/** A control group as its files have it. */
const group = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
  for (const [file, text] of Object.entries(files)) await Bun.write(join(folder, name, file), text);
  return join(folder, name);
};

test("the second version: files that would make way do not count", async () => {
  const root = await group("v2", {
    "memory.max": "536870912\n",
    "memory.current": "300000000\n",
    "memory.stat": "anon 1\nfile 2\nactive_file 5\ninactive_file 100000000\n",
  });
  expect(await readCgroupMemory(root)).toEqual({ used: 200_000_000, limit: 536_870_912 });
});

test("the first version", async () => {
  const root = await group("v1", {
    "memory/memory.limit_in_bytes": "536870912\n",
    "memory/memory.usage_in_bytes": "300000000\n",
    "memory/memory.stat": "inactive_file 7\ntotal_inactive_file 100000000\n",
  });
  expect(await readCgroupMemory(root)).toEqual({ used: 200_000_000, limit: 536_870_912 });
});

test.each([
  ["no control group", "none", {}],
  ["no limit in the second version", "max", { "memory.max": "max\n", "memory.current": "1\n" }],
  [
    "no limit in the first version",
    "huge",
    { "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "1\n" },
  ],
  ["a limit whose use cannot be read", "half", { "memory.max": "536870912\n" }],
])("%s is nothing that limits", async (_what, name, files) => {
  expect(await readCgroupMemory(await group(name, files))).toBeUndefined();
});

test("files without their statistics all count", async () => {
  const root = await group("bare", { "memory.max": "100", "memory.current": "30" });
  expect(await readCgroupMemory(root)).toEqual({ used: 30, limit: 100 });
});

test.each([
  ["two whole processors", 2, { "cpu.max": "200000 100000\n" }],
  ["a part of one, which is one", 1, { "cpu.max": "50000 100000\n" }],
  ["one and a half, which is one", 1, { "cpu.max": "150000 100000\n" }],
  ["no limit", Number.POSITIVE_INFINITY, { "cpu.max": "max 100000\n" }],
  [
    "three in the first version",
    3,
    { "cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n" },
  ],
  [
    "no limit in the first version",
    Number.POSITIVE_INFINITY,
    { "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n" },
  ],
  ["no control group", Number.POSITIVE_INFINITY, {}],
] as const)("a control group's processors: %s", async (name, processors, files) => {
  expect(await readCgroupProcessors(await group(`cpu ${name}`, files))).toBe(processors);
});
