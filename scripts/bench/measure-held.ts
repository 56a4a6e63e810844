import { readFile } from "node:fs/promises";
import type { Contender } from "./contenders.ts";
import type { HeldReport } from "./held-report.ts";
import type { HeldResult } from "./held-loop.ts";
import { type HeldSample, summarizeHeld } from "./held-summary.ts";
import type { HeldWorkload } from "./held-workloads.ts";
import { generate, type LoadSetup } from "./measure.ts";
import { type Bench, startContender } from "./servers.ts";

/** Descriptors that a relay needs beside two for each stream. */
const SPARE_DESCRIPTORS = 256;
/** For the code of a contender that was started anew to be compiled, and for its memory to settle. */
const MIN_WARM_UP_SECONDS = 1;

/** The hard limit of open files of a process, from the text of /proc/PID/limits. */
export const parseOpenFiles = (limits: string): number => {
  const value = /^Max open files +\S+ +(\S+)/m.exec(limits)?.[1];
  return value === "unlimited" ? Number.POSITIVE_INFINITY : Number(value);
};

/** Why a relay could not hold the streams of a workload with so many open files; undefined where it can. */
export const shortOfDescriptors = ({ streams }: HeldWorkload, openFiles: number): string | undefined => {
  const needed = 2 * streams + SPARE_DESCRIPTORS;
  return openFiles >= needed
    ? undefined
    : `a relay needs ${needed} open files, and the limit is ${openFiles} (ulimit -Hn)`;
};

interface HeldPlan {
  readonly workloads: readonly HeldWorkload[];
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Ports of the engines. */
  readonly engines: readonly number[];
}

/** Holds the streams of every workload open through each contender, started anew, in turn, round after round. */
export const measureHeld = async (
  { workloads, contenders, rounds, engines }: HeldPlan,
  bench: Bench,
  load: LoadSetup & { readonly warmUpSeconds: number },
  progress: (line: string) => void,
): Promise<{ readonly held: readonly HeldReport[]; readonly samples: readonly HeldSample[] }> => {
  const openFiles = parseOpenFiles(await readFile("/proc/self/limits", "utf8"));
  const missing = new Map(workloads.map((workload) => [workload, shortOfDescriptors(workload, openFiles)]));
  const samples: HeldSample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of workloads) {
      if (missing.get(workload) !== undefined) continue;
      for (const contender of contenders) {
        const target = await startContender(contender, engines, bench);
        if ("missing" in target) continue;
        progress(`round ${round} of ${rounds}: ${contender.name}, ${workload.name}`);
        const result = await generate<HeldResult>(load, {
          loop: "held",
          port: target.port,
          pid: target.pid,
          workload: workload.name,
          seconds: load.seconds,
          warmUpSeconds: Math.max(MIN_WARM_UP_SECONDS, load.warmUpSeconds),
        });
        samples.push({ round, contender: contender.name, workload: workload.name, ...result });
        await target.stop();
      }
    }
  }
  const held = workloads.map((workload): HeldReport => {
    const reason = missing.get(workload);
    const measured = contenders.filter((contender) =>
      samples.some((sample) => sample.contender === contender.name),
    );
    const { name, summary, streams, gapMs } = workload;
    const of = { name, summary, streams, gapMs };
    return reason === undefined
      ? { ...of, rows: measured.map((one) => summarizeHeld(one.name, name, samples)) }
      : { ...of, missing: reason, rows: [] };
  });
  return { held, samples };
};
