import { createCells, type EngineCells } from "../core/engine-cells.ts";
import { createFadingRate, RATE_CELLS } from "./fading-rate.ts";

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

const MEMORY = { fadeMs: 10_000, leastMs: 1000 };

/** Numbers of what comes to a thread. */
export const DEMAND_CELLS = 2 * RATE_CELLS;

/** A demand of nothing, beside that which other threads see. */
export const createDemand = (cells: EngineCells = createCells(DEMAND_CELLS)): Demand => {
  const requests = createFadingRate(MEMORY, cells);
  const work = createFadingRate(MEMORY, cells, RATE_CELLS);
  let lastAt = 0;
  return {
    arrived: (at) => {
      lastAt = at;
      requests.add(at, 1);
    },
    took: (ms) => {
      work.add(lastAt, ms);
    },
    perMs: () => requests.perMs(lastAt),
    busy: () => work.perMs(lastAt),
  };
};
