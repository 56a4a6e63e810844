/** How many there are of something now. */
export interface Count {
  readonly value: () => number;
  readonly add: (by: 1 | -1) => void;
  /** One more, unless there are so many already; whether there is one more. */
  readonly addBelow: (limit: number) => boolean;
}

/** A count of this thread alone. */
export const createCount = (): Count => {
  let count = 0;
  return {
    value: () => count,
    add: (by) => {
      count += by;
    },
    addBelow: (limit) => {
      if (count >= limit) return false;
      count += 1;
      return true;
    },
  };
};

/** Where a count of several threads is: what all have, and what each of them has, to be taken out when it dies. */
export interface CountPlace {
  readonly numbers: Int32Array;
  readonly total: number;
  readonly own: number;
}

/** A count that several threads share, exact at every moment. */
export const joinCount = ({ numbers, total, own }: CountPlace): Count => {
  const note = (by: number): void => {
    numbers[own] = (numbers[own] ?? 0) + by;
  };
  return {
    value: () => Atomics.load(numbers, total),
    add: (by) => {
      Atomics.add(numbers, total, by);
      note(by);
    },
    addBelow: (limit) => {
      for (;;) {
        const count = Atomics.load(numbers, total);
        if (count >= limit) return false;
        if (Atomics.compareExchange(numbers, total, count, count + 1) !== count) continue;
        note(1);
        return true;
      }
    },
  };
};

/** Takes out what a thread that is gone had. */
export const buryCount = ({ numbers, total, own }: CountPlace): void => {
  const count = numbers[own] ?? 0;
  if (count === 0) return;
  numbers[own] = 0;
  Atomics.sub(numbers, total, count);
};
