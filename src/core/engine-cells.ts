/**
 * Numbers of engines that threads share: a row for each thread, which it alone writes and all others read, so that
 * nothing is lost where two count at once and nothing leaks where one dies. Plain data, to be sent to a thread.
 */
export interface CellsMemory {
  readonly buffer: SharedArrayBuffer;
  readonly rows: number;
  /** Engines that there is room for. */
  readonly slots: number;
  /** Numbers of an engine in a row. */
  readonly cells: number;
}

/** Where a thread sits among those that share. */
export interface Seat {
  /** Its row, which no other thread has at the same time. */
  readonly row: number;
  /** The slot of an engine now; one without is counted by each thread for itself. */
  readonly slotOf: (endpointId: string) => number | undefined;
}

/** The numbers of one engine, 0 at first. */
export interface EngineCells {
  /** Those that this thread writes. */
  readonly own: Float64Array;
  /** Those of the other threads. */
  readonly others: readonly Float64Array[];
  /** Absent where nobody shares them. */
  readonly slot?: number | undefined;
}

/** The numbers of an engine as it is now: what is known of it where that is still the same engine. */
export type FindCells = (endpointId: string, known?: EngineCells) => EngineCells;

/** Numbers of an engine that nobody shares. */
export const createCells = (cells: number): EngineCells => ({ own: new Float64Array(cells), others: [] });

/** Numbers that nobody shares, for each engine. */
export const ownCells =
  (cells: number): FindCells =>
  (_endpointId, known) =>
    known ?? createCells(cells);

/** Room for numbers of engines; memory is used for those that are written. */
export const allocateCells = (size: Omit<CellsMemory, "buffer">): CellsMemory => ({
  ...size,
  buffer: new SharedArrayBuffer(size.rows * size.slots * size.cells * Float64Array.BYTES_PER_ELEMENT),
});

// A number of 64 bits is read and written as a whole.
const cellsAt = ({ buffer, slots, cells }: CellsMemory, row: number, slot: number): Float64Array =>
  new Float64Array(buffer, (row * slots + slot) * cells * Float64Array.BYTES_PER_ELEMENT, cells);

/** The numbers of every slot in a row. */
export const cellsIn = (memory: CellsMemory, row: number): readonly Float64Array[] =>
  Array.from({ length: memory.slots }, (_, slot) => cellsAt(memory, row, slot));

/** Forgets what a thread that is gone had at these places. */
export const clearRow = (memory: CellsMemory, row: number, places: readonly number[]): void => {
  for (const cells of cellsIn(memory, row)) {
    // What was never written takes no memory.
    for (const place of places) if (cells[place] !== 0) cells[place] = 0;
  }
};

/** Makes a slot ready for another engine. */
export const clearSlot = (memory: CellsMemory, slot: number): void => {
  for (let row = 0; row < memory.rows; row += 1) {
    const cells = cellsAt(memory, row, slot);
    if (cells.some((number) => number !== 0)) cells.fill(0);
  }
};

/** What all threads together have at a place of a slot. */
export const sumInSlot = (memory: CellsMemory, slot: number, place: number): number => {
  let sum = 0;
  for (let row = 0; row < memory.rows; row += 1) sum += cellsAt(memory, row, slot)[place] ?? 0;
  return sum;
};

/** Takes a seat among the threads that share. */
export const joinCells =
  (memory: CellsMemory, { row, slotOf }: Seat): FindCells =>
  (endpointId, known) => {
    const slot = slotOf(endpointId);
    if (known && known.slot === slot) return known;
    if (slot === undefined) return createCells(memory.cells);
    const rows = Array.from({ length: memory.rows }, (_, index) => cellsAt(memory, index, slot));
    return { own: cellsAt(memory, row, slot), others: rows.filter((_, index) => index !== row), slot };
  };

/** 0 says that there is no time, so times are stored by so much later. */
const LATER = 1;

/** The time at a place of a row; absent where none was set. */
export const timeAt = (row: Float64Array, place: number): number | undefined => {
  const time = row[place] ?? 0;
  return time === 0 ? undefined : time - LATER;
};

/** Sets the time at a place of a row, or takes it away. */
export const setTime = (row: Float64Array, place: number, at: number | undefined): void => {
  row[place] = at === undefined ? 0 : at + LATER;
};

/** What all threads together have at a place. */
export const sumAt = ({ own, others }: EngineCells, place: number): number => {
  let sum = own[place] ?? 0;
  for (let index = 0; index < others.length; index += 1) sum += others[index]?.[place] ?? 0;
  return sum;
};

/** The largest that any thread has at a place. */
export const mostAt = ({ own, others }: EngineCells, place: number): number => {
  let most = own[place] ?? 0;
  for (let index = 0; index < others.length; index += 1) most = Math.max(most, others[index]?.[place] ?? 0);
  return most;
};
