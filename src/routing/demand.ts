import { createCells, type EngineCells } from "../core/engine-cells.ts";

/** What comes to a fleet, as means that fade with time. */
export interface Demand {
  /** A request came, at this monotonic millisecond. */
  readonly arrived: (at: number) => void;
  /** It takes an engine so long before its answer begins. */
  readonly took: (ms: number) => void;
  /** Requests in a millisecond. */
  readonly perMs: () => number;
  /** Engines that are busy with prompts, in the mean. */
  readonly busy: () => number;
}

/** Time after which a request counts for a third of a new one. */
const FADE_MS = 30_000;
/** What is known of less time than this is taken for this much. */
const LEAST_MS = 1000;

const PER_MS = 0;
const BUSY = 1;
const LAST_AT = 2;

/** Numbers of what comes to a thread. */
export const DEMAND_CELLS = 3;

/** A demand of nothing, beside that which other threads see. */
export const createDemand = ({ own, others }: EngineCells = createCells(DEMAND_CELLS)): Demand => {
  let firstAt: number | undefined;
  let lastAt = 0;
  let requests = 0;
  let workMs = 0;
  // The weight of the time since the first request, faded alike.
  let spanMs = LEAST_MS;

  const tell = (): void => {
    own[PER_MS] = requests / spanMs;
    own[BUSY] = workMs / spanMs;
    own[LAST_AT] = lastAt;
  };
  /** What others saw, faded since. */
  const elsewhere = (place: number): number => {
    let sum = 0;
    for (const row of others) {
      sum += (row[place] ?? 0) * Math.exp(Math.min(0, (row[LAST_AT] ?? 0) - lastAt) / FADE_MS);
    }
    return sum;
  };

  return {
    arrived: (at) => {
      firstAt ??= at;
      const fade = Math.exp(Math.min(0, lastAt - at) / FADE_MS);
      requests = requests * fade + 1;
      workMs *= fade;
      lastAt = at;
      spanMs = Math.max(LEAST_MS, FADE_MS * (1 - Math.exp((firstAt - at) / FADE_MS)));
      tell();
    },
    took: (ms) => {
      workMs += ms;
      tell();
    },
    perMs: () => requests / spanMs + elsewhere(PER_MS),
    busy: () => workMs / spanMs + elsewhere(BUSY),
  };
};
