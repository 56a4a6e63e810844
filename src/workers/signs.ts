/** What a worker shows of itself in memory that is shared: it lives, and has so many requests under way. */
export interface Sign {
  readonly beat: () => void;
  readonly beats: () => number;
  readonly setPending: (count: number) => void;
  readonly pending: () => number;
}

const CELLS = 2;

/** Memory for the signs of so many workers. */
export const allocateSigns = (workers: number): SharedArrayBuffer =>
  new SharedArrayBuffer((workers + 1) * CELLS * Int32Array.BYTES_PER_ELEMENT);

/** The sign of one worker, which only that one gives. */
export const signOf = (memory: SharedArrayBuffer, row: number): Sign => {
  const cells = new Int32Array(memory);
  const [beat, pending] = [row * CELLS, row * CELLS + 1];
  return {
    beat: () => void Atomics.add(cells, beat, 1),
    beats: () => Atomics.load(cells, beat),
    setPending: (count) => void Atomics.store(cells, pending, count),
    pending: () => Atomics.load(cells, pending),
  };
};
