import { cpus, loadavg, release, totalmem, type } from "node:os";
import { outputOf } from "./child.ts";
import { findHaproxy } from "./haproxy.ts";
import { findNginx } from "./nginx.ts";

/** What the numbers were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly bun: string;
  /** Absent where it is not installed. */
  readonly wrk?: string;
  readonly nginx?: string;
  readonly haproxy?: string;
  /** Runnable processes of the last minute, before the benchmark adds its own. */
  readonly load: number;
}

/** The first thing that looks like a version in what a command prints, whatever its exit status. */
const versionOf = async (command: string | undefined, flag: string): Promise<string | undefined> => {
  if (command === undefined) return undefined;
  // nginx tells on stderr, and wrk ends with status 1.
  const output = await outputOf(["sh", "-c", `"$0" ${flag} 2>&1 || true`, command]);
  return /\d+\.\d+[\w.-]*/.exec(output)?.[0];
};

/** Asks the machine and the tools. */
export const describeMachine = async (): Promise<Machine> => {
  const [wrk, nginx, haproxy] = await Promise.all([
    versionOf(Bun.which("wrk") ?? undefined, "-v"),
    versionOf(findNginx(), "-v"),
    versionOf(findHaproxy(), "-v"),
  ]);
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown CPU",
    cpuCount: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    bun: Bun.version,
    ...(wrk === undefined ? {} : { wrk }),
    ...(nginx === undefined ? {} : { nginx }),
    ...(haproxy === undefined ? {} : { haproxy }),
    load: loadavg()[0] ?? 0,
  };
};
