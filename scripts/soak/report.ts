import type { Outcome, Visit } from "./traffic.ts";

/** What a process holds at one moment. */
export interface Sample {
  readonly seconds: number;
  readonly residentKiB: number;
  readonly files: number;
}

/** What a soak came to. */
export interface Soaked {
  readonly seconds: number;
  readonly counts: Readonly<Record<string, Readonly<Partial<Record<Outcome, number>>>>>;
  /** The first visits that were lost. */
  readonly lost: readonly Visit[];
  readonly troubles: Readonly<Record<string, number>>;
  readonly reloads: number;
  readonly samples: readonly Sample[];
  /** Before the first client, and when the last one has left and idle connections have ended. */
  readonly before: Sample;
  readonly after: Sample;
  /** Gauges of requests under way that are not 0 at the end. */
  readonly busy: readonly string[];
  /** What the router wrote of defects of its own. */
  readonly defects: readonly string[];
  readonly exitCode: number;
}

/** Requests that may end with an engine's own error: one of four is in trouble, with every second request. */
const MOST_TOLD = 0.15;
const MOST_FILES = 10;
/** Growth that a soak may show: 5 % and what the collector of garbage leaves now and then, most in a short one. */
const MOST_GROWTH = 0.05;
const NOISE_KIB = 8 * 1024;
/** Below that the memory that the router needs at all is not there yet. */
const LEAST_SECONDS = 120;

/** KiB a second by the least squares; 0 where there is nothing to tell it of. */
export const slopeOf = (samples: readonly Pick<Sample, "seconds" | "residentKiB">[]): number => {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [
    mean(samples.map(({ seconds }) => seconds)),
    mean(samples.map(({ residentKiB }) => residentKiB)),
  ];
  const spread = samples.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0);
  if (!(spread > 0)) return 0;
  return (
    samples.reduce((sum, { seconds, residentKiB }) => sum + (seconds - x) * (residentKiB - y), 0) / spread
  );
};

const total = ({ counts }: Soaked, outcome: Outcome): number =>
  Object.values(counts).reduce((sum, byOutcome) => sum + (byOutcome[outcome] ?? 0), 0);

const settled = ({ samples, seconds }: Soaked): readonly Sample[] =>
  samples.filter((sample) => sample.seconds > seconds / 3);

/** What is wrong, a sentence each; empty where all is well. */
export const faultsOf = (soaked: Soaked): readonly string[] => {
  const { before, after, seconds, busy, defects, exitCode } = soaked;
  const faults: string[] = [];
  const lost = total(soaked, "lost");
  if (lost > 0) faults.push(`${lost} requests were lost`);
  const [told, served] = [total(soaked, "told"), total(soaked, "served")];
  if (told > MOST_TOLD * (told + served)) faults.push(`${told} of ${told + served} requests failed`);
  if (served === 0) faults.push("nothing was served");
  if (after.files > before.files + MOST_FILES)
    faults.push(`${after.files} descriptors are open; ${before.files} were at first`);
  if (busy.length > 0) faults.push(`not 0 at rest: ${busy.join(", ")}`);
  if (defects.length > 0) faults.push(`the router has defects: ${defects.join("; ")}`);
  if (exitCode !== 0) faults.push(`the router ended with ${exitCode}`);
  const rest = settled(soaked);
  const first = rest[0]?.residentKiB ?? 0;
  const grownKiB = slopeOf(rest) * ((rest.at(-1)?.seconds ?? 0) - (rest[0]?.seconds ?? 0));
  if (seconds >= LEAST_SECONDS && grownKiB > first * MOST_GROWTH + NOISE_KIB)
    faults.push(`memory grew by ${(grownKiB / 1024).toFixed(0)} MiB`);
  return faults;
};

const mib = (kib: number): string => (kib / 1024).toFixed(0);

/** The figures of a soak, a line each. */
export const describe = (soaked: Soaked): readonly string[] => {
  const { seconds, counts, troubles, reloads, before, after, samples, lost } = soaked;
  const list = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const resident = samples.map(({ residentKiB }) => residentKiB);
  return [
    `${seconds.toFixed(0)} s, ${reloads} reloads, troubles: ${list(troubles)}`,
    ...Object.entries(counts).map(([kind, byOutcome]) => `  ${kind.padEnd(11)} ${list(byOutcome)}`),
    `memory ${mib(before.residentKiB)} MiB at first, ${mib(Math.min(...resident))} to ${mib(Math.max(...resident))} MiB, ${mib(after.residentKiB)} MiB at rest` +
      (seconds < LEAST_SECONDS
        ? ""
        : `; ${((slopeOf(settled(soaked)) * 3600) / 1024).toFixed(1)} MiB an hour after the first third`),
    `descriptors ${before.files} at first, ${Math.max(...samples.map(({ files }) => files))} at most, ${after.files} at rest`,
    ...lost.map(({ kind, answer = "" }) => `lost ${kind}: ${JSON.stringify(answer.slice(-300))}`),
  ];
};
