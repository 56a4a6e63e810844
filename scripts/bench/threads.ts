import { readdir, readFile } from "node:fs/promises";

/** CPU time of the threads of a process, in milliseconds by their number. */
export type ThreadTimes = ReadonlyMap<string, number>;

/** Time on a processor in nanoseconds is the first field (Documentation/scheduler/sched-stats.rst). */
export const parseSchedstat = (text: string): number => Number.parseInt(text, 10) / 1e6;

/** Reads what each thread of a process has used so far, from /proc; those that are ended are left out. */
export const readThreads = async (pid: number): Promise<ThreadTimes> => {
  const folder = `/proc/${pid}/task`;
  const read = async (thread: string): Promise<readonly [string, number]> => [
    thread,
    parseSchedstat(await readFile(`${folder}/${thread}/schedstat`, "utf8").catch(() => "0")),
  ];
  return new Map(await Promise.all((await readdir(folder)).map(read)));
};

/** What each thread has used between two readings, the busiest first. */
export const usedBetween = (before: ThreadTimes, after: ThreadTimes): readonly number[] =>
  [...after].map(([thread, ms]) => ms - (before.get(thread) ?? 0)).toSorted((a, b) => b - a);
