import { bodyOf, PATH, requestHeaders, workloads } from "./workloads.ts";
import type { Contender } from "./contenders.ts";
import { readUsage } from "./cpu.ts";
import { present, roundsOf } from "./rounds.ts";
import { type Bench, startContender } from "./servers.ts";
import type { Spread } from "./statistics.ts";
import { type Column, median, ranged, tableOf } from "./text-table.ts";

/** The trial's row in the list of workloads. */
export const START = {
  name: "start",
  summary: "from the start of a process to its first right answer, and its memory when it is idle",
} as const;

/** One start of a contender. */
export interface StartSample {
  readonly round: number;
  readonly contender: string;
  readonly startMs: number;
  /** A while after the first answer. */
  readonly idleRssBytes: number;
}

/** A contender's starts. */
export interface StartSummary {
  readonly contender: string;
  readonly startMs?: Spread;
  readonly idleRssMb?: Spread;
}

const DEADLINE_MS = 20_000;
const POLL_MS = 1;
const IDLE_MS = 1000;
const STARTS_A_ROUND = 3;

const answers = async (port: number): Promise<boolean> => {
  const [workload] = workloads;
  if (!workload) return false;
  const request = { method: "POST", headers: requestHeaders(0), body: bodyOf(workload, 0), proxy: false };
  try {
    const response = await fetch(`http://127.0.0.1:${port}${PATH}`, request as RequestInit);
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
};

const startOnce = async (
  contender: Contender,
  engines: readonly number[],
  bench: Bench,
): Promise<Omit<StartSample, "round"> | { readonly missing: string } | undefined> => {
  const target = await startContender(contender, engines, { ...bench, pollMs: POLL_MS });
  if ("missing" in target) return target;
  // The engine itself runs already.
  if (target.pid === undefined) return undefined;
  const { pid, port, spawnedAt, stop } = target;
  while (!(await answers(port))) {
    if (performance.now() > spawnedAt + DEADLINE_MS) throw new Error(`${contender.name}: no right answer`);
    await Bun.sleep(POLL_MS);
  }
  const startMs = performance.now() - spawnedAt;
  await Bun.sleep(IDLE_MS);
  const { rssBytes } = await readUsage(pid);
  await stop();
  return { contender: contender.name, startMs, idleRssBytes: rssBytes };
};

interface StartPlan {
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Ports of the engines. */
  readonly engines: readonly number[];
}

/** Starts every contender in turn, several times in each round. */
export const measureStarts = async (
  { contenders, rounds, engines }: StartPlan,
  bench: Bench,
  progress: (line: string) => void,
): Promise<{
  readonly samples: readonly StartSample[];
  /** Why a contender could not be started, by its name. */
  readonly missing: ReadonlyMap<string, string>;
}> => {
  const samples: StartSample[] = [];
  const missing = new Map<string, string>();
  for (let turn = 0; turn < rounds * STARTS_A_ROUND; turn += 1) {
    const round = Math.floor(turn / STARTS_A_ROUND) + 1;
    if (contenders.length > 0) progress(`round ${round} of ${rounds}: starts`);
    for (const contender of contenders) {
      const started = await startOnce(contender, engines, bench);
      if (started === undefined) continue;
      if ("missing" in started) missing.set(contender.name, started.missing);
      else samples.push({ round, ...started });
    }
  }
  return { samples, missing };
};

/** Medians and spreads of a contender's starts. */
export const summarizeStarts = (contender: string, samples: readonly StartSample[]): StartSummary => {
  const { over } = roundsOf(contender, samples);
  return {
    contender,
    ...present({
      startMs: over(({ startMs }) => startMs),
      idleRssMb: over(({ idleRssBytes }) => idleRssBytes / 2 ** 20),
    }),
  };
};

const columns: readonly Column<StartSummary>[] = [
  { title: "first answer ms", cell: ({ startMs }) => ranged(startMs, 0) },
  { title: "idle RSS MB", cell: ({ idleRssMb }) => median(idleRssMb, 0) },
];

/** The starts as text. */
export const startText = (rows: readonly StartSummary[]): string =>
  [`${START.name}: ${START.summary}`, "", tableOf(columns, rows)].join("\n");
