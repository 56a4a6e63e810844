import { closeSync, openSync } from "node:fs";
import { readdir, readFile, statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";
import type { Descriptors } from "./core/descriptors.ts";
import type { ProcessUsage, ReadHost } from "./core/host-usage.ts";

/** Text of a file that only Linux has; empty elsewhere. */
const readProc = async (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

const numberIn = (text: string, pattern: RegExp): number | undefined => {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
};

/** The soft limit, which the runtime raises to the hard one at the start. */
const MAX_FILES = /^Max open files\s+(\d+)/m;

const readProcess = async (): Promise<ProcessUsage> => {
  const [status, limits, descriptors] = await Promise.all([
    readProc("/proc/self/status"),
    readProc("/proc/self/limits"),
    readdir("/proc/self/fd").catch(() => undefined),
  ]);
  const kilobytes = numberIn(status, /^VmSize:\s*(\d+) kB$/m);
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    virtualBytes: kilobytes && kilobytes * 1024,
    openDescriptors: descriptors?.length,
    maxDescriptors: numberIn(limits, MAX_FILES),
    startedAt: performance.timeOrigin / 1000,
  };
};

/** The real machine; each of its readings takes far less than a millisecond. */
export const readHost: ReadHost = async () => {
  const times = cpus().map((cpu) => cpu.times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  const total = times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle);
  const [{ blocks, bfree, bavail }, usage] = await Promise.all([statfs("/"), readProcess()]);
  return {
    cpu: { total, idle },
    memory: { total: totalmem(), available: freemem() },
    disk: { used: blocks - bfree, available: bavail },
    process: usage,
  };
};

/** Counted by number, which only systems with such limits and numbers do. */
export const readDescriptors = async (): Promise<Descriptors | undefined> => {
  const limit = numberIn(await readProc("/proc/self/limits"), MAX_FILES);
  if (limit === undefined) return undefined;
  const next = (): number => {
    try {
      const descriptor = openSync("/dev/null", "r");
      closeSync(descriptor);
      return descriptor;
    } catch {
      return limit;
    }
  };
  return { limit, next };
};
