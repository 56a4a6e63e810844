import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MemoryUse } from "./core/memory-use.ts";

interface Version {
  readonly limit: string;
  readonly used: string;
  readonly stat: string;
  /** The line of `stat` with the bytes of files that are kept only until somebody needs the memory. */
  readonly reclaimable: RegExp;
}

const versions: readonly Version[] = [
  {
    limit: "memory.max",
    used: "memory.current",
    stat: "memory.stat",
    reclaimable: /^inactive_file (\d+)$/m,
  },
  {
    limit: "memory/memory.limit_in_bytes",
    used: "memory/memory.usage_in_bytes",
    stat: "memory/memory.stat",
    reclaimable: /^total_inactive_file (\d+)$/m,
  },
];

/** A limit that no machine has is how the first version says that there is none; the second one says `max`. */
const NO_LIMIT = 2 ** 60;

/**
 * What the control group of this process uses of its memory, as Kubernetes takes it: without files that would make
 * way. `undefined` where there is no control group, or none with a limit.
 */
export const readCgroupMemory = async (root = "/sys/fs/cgroup"): Promise<MemoryUse | undefined> => {
  const read = async (name: string): Promise<string> => readFile(join(root, name), "utf8").catch(() => "");
  for (const version of versions) {
    const limit = Number.parseInt(await read(version.limit), 10);
    if (Number.isNaN(limit) || limit >= NO_LIMIT || limit === 0) continue;
    const used = Number.parseInt(await read(version.used), 10);
    if (Number.isNaN(used)) continue;
    const [, reclaimable = "0"] = version.reclaimable.exec(await read(version.stat)) ?? [];
    return { used: Math.max(0, used - Number(reclaimable)), limit };
  }
  return undefined;
};

/** How many processors' time the control group of this process may use, as a whole number; no limit is infinity. */
export const readCgroupProcessors = async (root = "/sys/fs/cgroup"): Promise<number> => {
  const read = async (name: string): Promise<string> => readFile(join(root, name), "utf8").catch(() => "");
  const both = await read("cpu.max");
  const [quota = Number.NaN, period = Number.NaN] =
    both === ""
      ? [Number(await read("cpu/cpu.cfs_quota_us")), Number(await read("cpu/cpu.cfs_period_us"))]
      : both.split(" ").map(Number);
  return quota > 0 && period > 0 ? Math.max(1, Math.floor(quota / period)) : Number.POSITIVE_INFINITY;
};
