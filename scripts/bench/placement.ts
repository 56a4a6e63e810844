import { readFile } from "node:fs/promises";

/** Which CPU each side of a measurement runs on. */
export interface Placement {
  readonly contender: number;
  /** The load generator and the engine, which share it on a machine of two. */
  readonly load: number;
  readonly engine: number;
}

/** `0-2,5` -> 0, 1, 2, 5. */
export const parseCpuList = (text: string): readonly number[] =>
  text
    .trim()
    .split(",")
    .flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });

/** Gives the contender a CPU of its own; undefined where there is only one. */
export const placeOn = (cpus: readonly number[]): Placement | undefined => {
  const [load, second, third] = cpus;
  if (load === undefined || second === undefined) return undefined;
  return third === undefined
    ? { load, engine: load, contender: second }
    : { load, engine: second, contender: third };
};

/** Where this machine lets processes be placed; undefined without `taskset` or a second CPU. */
export const choosePlacement = async (): Promise<Placement | undefined> => {
  if (Bun.which("taskset") === null) return undefined;
  const status = await readFile("/proc/self/status", "utf8");
  return placeOn(parseCpuList(/^Cpus_allowed_list:(.*)$/m.exec(status)?.[1] ?? ""));
};

/** A command that runs on one CPU. */
export const onCpu = (cpu: number | undefined, command: readonly string[]): readonly string[] =>
  cpu === undefined ? command : ["taskset", "-c", String(cpu), ...command];
