import {
  allocateCells,
  type CellsMemory,
  cellsIn,
  clearSlot,
  type FindCells,
  joinCells,
  ownCells,
  type Seat,
} from "../core/engine-cells.ts";
import { alone, breakLock, type Exclusively, joinLock } from "../core/lock.ts";
import { BREAKER_CELLS, PROBE } from "./breaker.ts";
import { evidenceCells } from "./evidence.ts";

/** Where the judgement of engines is kept: one for all threads that send requests to them. */
export interface Court {
  /** Has to be had to change what is judged. */
  readonly exclusively: Exclusively;
  /** What is judged of an engine: the numbers of its breaker, then three more. */
  readonly findState: FindCells;
  /** By what it is judged, a row for each thread; absent where there is only one. */
  readonly findRows?: FindCells;
  /** Another one after every change of what is judged. */
  readonly version: () => number;
  readonly changed: () => void;
  /** A number for a probe that no other one has. */
  readonly nextProbe: () => number;
  /** Whether this thread says who has come: one that looks at engines only now and then takes all for new. */
  readonly isFirst: boolean;
}

/** Whether no connection could be made to an engine when it was ejected. */
export const UNREACHABLE = BREAKER_CELLS;
/** Since when an engine has got less than its share. */
export const SLOW_SINCE = BREAKER_CELLS + 1;
/** Until when it gets less than its share because it said that it had no room. */
export const BUSY_UNTIL = BREAKER_CELLS + 2;
const STATE_CELLS = BREAKER_CELLS + 3;

/** A court for this thread alone. */
export const createCourt = (): Court => {
  let version = 0;
  let probes = 0;
  return {
    exclusively: alone,
    findState: ownCells(STATE_CELLS),
    version: () => version,
    changed: () => {
      version += 1;
    },
    nextProbe: () => (probes += 1),
    isFirst: true,
  };
};

/** The court of several threads. Plain data, to be sent to a thread. */
export interface CourtMemory {
  readonly numbers: Int32Array;
  readonly state: CellsMemory;
  readonly rows: CellsMemory;
}

const LOCK = 0;
const VERSION = 1;

/** The number of a probe tells its thread. */
const MAX_ROWS = 1024;

/** Room for the judgement of so many engines by so many threads. */
export const allocateCourt = (
  { rows, slots }: Pick<CellsMemory, "rows" | "slots">,
  failureThreshold = 1,
): CourtMemory => ({
  numbers: new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)),
  state: allocateCells({ rows: 1, slots, cells: STATE_CELLS }),
  rows: allocateCells({ rows, slots, cells: evidenceCells(failureThreshold) }),
});

/** A thread's part in it. */
export const joinCourt = ({ numbers, state, rows }: CourtMemory, seat: Seat): Court => {
  let probes = 0;
  return {
    exclusively: joinLock(numbers, LOCK, seat.row),
    findState: joinCells(state, { ...seat, row: 0 }),
    findRows: joinCells(rows, seat),
    version: () => Atomics.load(numbers, VERSION),
    changed: () => {
      Atomics.add(numbers, VERSION, 1);
    },
    nextProbe: () => {
      probes += 1;
      return probes * MAX_ROWS + seat.row;
    },
    isFirst: seat.row === 0,
  };
};

/** Ends the probes of a thread that is gone; what it saw of engines stays. */
export const buryCourt = ({ numbers, state }: CourtMemory, row: number): void => {
  breakLock(numbers, LOCK, row);
  for (const cells of cellsIn(state, 0)) {
    const probe = cells[PROBE] ?? 0;
    if (probe !== 0 && probe % MAX_ROWS === row) cells[PROBE] = 0;
  }
};

/** Makes a slot ready for another engine. */
export const clearCourt = ({ state, rows }: CourtMemory, slot: number): void => {
  for (const memory of [state, rows]) clearSlot(memory, slot);
};
