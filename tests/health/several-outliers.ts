import { allocateCourt, clearCourt, type CourtMemory, joinCourt } from "../../src/health/court.ts";
import { createOutliers, type Outliers } from "../../src/health/outliers.ts";

const THREADS = 3;

/** Outliers of several threads with one court, each of which knows all engines. */
export const createThreadsOfOutliers = (
  options: Parameters<typeof createOutliers>[0],
  deps: Parameters<typeof createOutliers>[1],
): {
  readonly memory: CourtMemory;
  readonly threads: readonly Outliers[];
  readonly see: Outliers["see"];
  readonly slotOf: (id: string) => number | undefined;
} => {
  const memory = allocateCourt({ rows: THREADS, slots: 64 }, options.breaker?.failureThreshold);
  const slots = new Map<string, number>();
  const free = [...Array(64).keys()];
  const slotOf = (id: string): number | undefined => slots.get(id);
  const threads = Array.from({ length: THREADS }, (_, row) =>
    createOutliers(options, { ...deps, court: joinCourt(memory, { row, slotOf }) }),
  );
  return {
    memory,
    threads,
    slotOf,
    see: (lineup) => {
      for (const [id, slot] of slots) {
        if (lineup.endpoints.has(id)) continue;
        slots.delete(id);
        free.push(slot);
      }
      for (const id of lineup.endpoints.keys()) {
        if (slots.has(id)) continue;
        const slot = free.shift() ?? 0;
        clearCourt(memory, slot);
        slots.set(id, slot);
      }
      for (const thread of threads) thread.see(lineup);
    },
  };
};

/** The same as one: whatever is asked, it is another thread's turn. */
export const createSeveralOutliers: typeof createOutliers = (options, deps) => {
  const { threads, see } = createThreadsOfOutliers(options, deps);
  let turn = 0;
  const next = (): Outliers => {
    turn += 1;
    const [first] = threads;
    const thread = threads[turn % threads.length] ?? first;
    if (!thread) throw new Error("there are some");
    return thread;
  };
  return {
    isQuiet: () => next().isQuiet(),
    unusual: () => next().unusual(),
    standingOf: (id) => next().standingOf(id),
    begin: (...request) => next().begin(...request),
    reached: (id) => next().reached(id),
    returnedAt: (id) => next().returnedAt(id),
    see,
  };
};
