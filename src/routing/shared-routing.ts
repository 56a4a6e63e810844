import {
  allocateCells,
  type CellsMemory,
  clearRow,
  clearSlot,
  joinCells,
  type Seat,
} from "../core/engine-cells.ts";
import { DEMAND_CELLS } from "./demand.ts";
import { BOOK_CELLS } from "./engine-progress.ts";
import type { PolicyDeps, SharedBook } from "./policy.ts";
import { INDEX_CAPACITY } from "./prefix-index.ts";
import { allocateIndex, buryIndex, clearIndex, type IndexMemory, joinIndex } from "./shared-prefix-index.ts";
import { allocateTurns, joinTurns } from "./turns.ts";

interface BookMemory {
  readonly engines: CellsMemory;
  readonly index: IndexMemory;
  readonly demand: CellsMemory;
}

/** What the policies of several threads have in common. Plain data, to be sent to a thread. */
export interface RoutingMemory {
  readonly turns: Int32Array;
  readonly book: BookMemory;
  readonly prefillBook: BookMemory;
}

type Where = Pick<CellsMemory, "rows" | "slots">;

const allocateBook = (size: Where): BookMemory => ({
  engines: allocateCells({ ...size, cells: BOOK_CELLS }),
  index: allocateIndex(size.slots, INDEX_CAPACITY),
  demand: allocateCells({ rows: size.rows, slots: 1, cells: DEMAND_CELLS }),
});

const joinBook = ({ engines, index, demand }: BookMemory, seat: Seat): SharedBook => ({
  find: joinCells(engines, seat),
  index: joinIndex(index, seat.row),
  demand: joinCells(demand, { row: seat.row, slotOf: () => 0 })(""),
});

const buryBook = ({ engines, index, demand }: BookMemory, row: number): void => {
  buryIndex(index, row);
  clearRow(engines, row, [...Array(BOOK_CELLS).keys()]);
  clearRow(demand, row, [...Array(DEMAND_CELLS).keys()]);
};

/** Room for so many threads and engines, whatever the policy is. */
export const allocateRouting = (size: Where): RoutingMemory => ({
  turns: allocateTurns(),
  book: allocateBook(size),
  prefillBook: allocateBook(size),
});

/** What a policy is lent that has part in it. */
export const joinRouting = (memory: RoutingMemory, seat: Seat): Omit<PolicyDeps, "random"> => ({
  turns: joinTurns(memory.turns),
  book: joinBook(memory.book, seat),
  prefillBook: joinBook(memory.prefillBook, seat),
});

/** Takes out the work of a thread that is gone. */
export const buryRouting = ({ book, prefillBook }: RoutingMemory, row: number): void => {
  for (const each of [book, prefillBook]) buryBook(each, row);
};

/** Makes a slot ready for another engine. */
export const clearRouting = ({ book, prefillBook }: RoutingMemory, slot: number): void => {
  for (const { engines, index } of [book, prefillBook]) {
    clearSlot(engines, slot);
    clearIndex(index, slot);
  }
};
