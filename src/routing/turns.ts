/** Whose turn it is among so many. */
export interface Turn {
  /** From 0, without taking it. */
  readonly next: (size: number) => number;
  readonly take: (size: number) => number;
}

/** The turn of a set of engines, by its name. */
export type FindTurn = (set: string) => Turn;

/** Sets of engines whose turn is remembered; beyond that all turns start anew, as in the reference. */
const MAX_SETS = 1024;

/** Turns of this thread alone. */
export const createTurns = (): FindTurn => {
  const turns = new Map<string, Turn>();
  const create = (): Turn => {
    let next = 0;
    return {
      next: (size) => next % size,
      take: (size) => {
        const taken = next % size;
        next = taken + 1;
        return taken;
      },
    };
  };
  return (set) => {
    let turn = turns.get(set);
    if (turn) return turn;
    if (turns.size >= MAX_SETS) turns.clear();
    turns.set(set, (turn = create()));
    return turn;
  };
};

/** A pair of numbers for each set that has a place: the hash of its name, 0 where nobody has it, and its turns. */
type TurnsMemory = Int32Array;

/** Memory for turns that threads share. */
export const allocateTurns = (): TurnsMemory =>
  new Int32Array(new SharedArrayBuffer(2 * MAX_SETS * Int32Array.BYTES_PER_ELEMENT));

/** Where a set has its place from now on; with too many sets some share one. */
const placeOf = (memory: TurnsMemory, set: string): number => {
  const hash = Bun.hash.xxHash32(set) | 0 || 1;
  const first = (hash >>> 0) % MAX_SETS;
  for (let step = 0; step < MAX_SETS; step += 1) {
    const place = 2 * ((first + step) % MAX_SETS);
    const before = Atomics.compareExchange(memory, place, 0, hash);
    if (before === 0 || before === hash) return place;
  }
  return 2 * first;
};

/** Turns that threads share: each is taken once, whoever takes it. */
export const joinTurns =
  (memory: TurnsMemory): FindTurn =>
  (set) => {
    const place = placeOf(memory, set) + 1;
    return {
      next: (size) => (Atomics.load(memory, place) >>> 0) % size,
      take: (size) => (Atomics.add(memory, place, 1) >>> 0) % size,
    };
  };
