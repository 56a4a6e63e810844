import { readdir, readFile } from "node:fs/promises";

/** What a process and its descendants have used so far. */
export interface Usage {
  /** CPU time of all threads, user and system, ended threads included. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** What of /proc/PID/stat is of use (proc_pid_stat(5)). */
interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuTicks: number;
  readonly rssPages: number;
}

/** One tick of /proc in milliseconds: USER_HZ is 100 wherever Bun runs on Linux. */
const TICK_MS = 10;

/** Reads a line of /proc/PID/stat, whatever the name of the command contains. */
export const parseStat = (text: string): ProcessStat => {
  const nameEnd = text.lastIndexOf(")");
  // Field 3, the state, comes first here.
  const fields = text.slice(nameEnd + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    cpuTicks: field(14) + field(15),
    rssPages: field(24),
  };
};

/** A process and everything that descends from it. Throws when the process is gone. */
const treeOf = (stats: readonly ProcessStat[], root: number): readonly ProcessStat[] => {
  const first = stats.find(({ pid }) => pid === root);
  if (!first) throw new Error(`process ${root} is gone`);
  const members = [first];
  // The list grows while it is walked: each member brings its children.
  for (const { pid } of members) members.push(...stats.filter(({ parent }) => parent === pid));
  return members;
};

/** Sums a process and everything that descends from it. Throws when the process is gone. */
export const usageOfTree = (stats: readonly ProcessStat[], root: number, pageBytes: number): Usage => {
  const members = treeOf(stats, root);
  const sum = (of: (stat: ProcessStat) => number): number => members.map(of).reduce((a, b) => a + b, 0);
  return {
    cpuMs: sum(({ cpuTicks }) => cpuTicks) * TICK_MS,
    rssBytes: sum(({ rssPages }) => rssPages) * pageBytes,
  };
};

const readStat = async (pid: string): Promise<readonly ProcessStat[]> => {
  try {
    return [parseStat(await readFile(`/proc/${pid}/stat`, "utf8"))];
  } catch (error) {
    // Ended between the listing and the reading.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return [];
    throw error;
  }
};

const readAll = async (): Promise<readonly ProcessStat[]> => {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(pids.map(readStat))).flat();
};

/** The processes that `pid` and its descendants are, from /proc. */
export const readTree = async (pid: number): Promise<readonly Pick<ProcessStat, "pid">[]> =>
  treeOf(await readAll(), pid);

/** Reads what a process and its descendants have used, from /proc. */
export const readUsage = async (pid: number): Promise<Usage> =>
  usageOfTree(await readAll(), pid, await pageBytes());

let page: Promise<number> | undefined;

const pageBytes = async (): Promise<number> =>
  (page ??= Bun.spawn(["getconf", "PAGESIZE"]).stdout.text().then(Number));
