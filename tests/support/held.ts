import { fileURLToPath } from "node:url";
import { residentKiB, type RunningProcess } from "./processes.ts";
import { percentile } from "./statistics.ts";

/** What a process holds when all garbage is collected. */
export interface Held {
  /** Objects of the program. */
  readonly objects: number;
  /** 0 on systems without /proc. */
  readonly residentKiB: number;
}

/** The variables of a process that can be asked what it holds. */
export const tellsWhatIsHeld: Readonly<Record<string, string>> = {
  BUN_OPTIONS: `--preload ${fileURLToPath(import.meta.resolve("./held-preload.ts"))}`,
  VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1",
};

/** What is freed in one collection lets go of more, and the allocator returns its pages a moment later. */
const COLLECTIONS = 3;
const PAUSE_MS = 100;

/** Asks a process that was started with these variables, and runs nothing meanwhile, what it holds. */
export const createHeld = ({ child }: Pick<RunningProcess, "child">): (() => Promise<Held>) => {
  let asked = 0;
  const ask = async (): Promise<Held> => {
    asked += 1;
    child.kill("SIGUSR2");
    const answer = new RegExp(`^held ${asked}: (\\d+) objects$`, "m");
    const objects = Number(answer.exec(await child.until(answer))?.[1]);
    await Bun.sleep(PAUSE_MS);
    return { objects, residentKiB: (await residentKiB(child.pid)) ?? 0 };
  };
  return async () => {
    let held = await ask();
    for (let more = 1; more < COLLECTIONS; more += 1) {
      const next = await ask();
      held = {
        objects: Math.min(held.objects, next.objects),
        residentKiB: Math.min(held.residentKiB, next.residentKiB),
      };
    }
    return held;
  };
};

/** By how much more is held after rounds of the same work: objects a round in the median, memory in all. */
export const grownOver = (rounds: readonly Held[]): Held => ({
  // The median of the slopes between any two rounds but the first, in which code is compiled: a leak is in every
  // round; connections that are kept, and code that is dropped again, come and go.
  objects: percentile(
    rounds
      .slice(1)
      .flatMap((round, from, some) =>
        some.slice(from + 1).map((later, gap) => (later.objects - round.objects) / (gap + 1)),
      ),
    0.5,
  ),
  residentKiB: (rounds.at(-1)?.residentKiB ?? 0) - (rounds[0]?.residentKiB ?? 0),
});

/** What was held after each round, for people. */
export const describeHeld = (rounds: readonly Held[]): string =>
  rounds.map((held) => `${held.objects} objects, ${(held.residentKiB / 1024).toFixed(0)} MiB`).join("; ");
