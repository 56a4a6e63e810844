/** Does a task while no other thread does one; a short one, for the others can do nothing but wait. */
export type Exclusively = <Result>(task: () => Result) => Result;

/** Where nobody else is. */
export const alone: Exclusively = (task) => task();

/** So often a thread looks before it lets whoever has the lock have the processor. */
const SPINS = 200;
const PAUSE_MS = 0.05;

/** A lock at a place of memory that threads share; its holder is known, so that it can be broken. */
export const joinLock =
  (numbers: Int32Array, place: number, row: number): Exclusively =>
  (task) => {
    for (let spins = 0; ; spins += 1) {
      const holder = Atomics.compareExchange(numbers, place, 0, row + 1);
      if (holder === 0) break;
      if (spins >= SPINS) Atomics.wait(numbers, place, holder, PAUSE_MS);
    }
    try {
      return task();
    } finally {
      Atomics.store(numbers, place, 0);
    }
  };

/** Opens the lock if a thread that is gone had it. */
export const breakLock = (numbers: Int32Array, place: number, row: number): void => {
  Atomics.compareExchange(numbers, place, row + 1, 0);
};
