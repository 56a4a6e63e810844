/** The order in which several threads have those wait who wait for the same; each thread has a queue of its own. */
export interface Line {
  /** A number for whoever begins to wait: after all who wait or before all. */
  readonly number: (isAgain: boolean) => number;
  /** Who is first here now; nobody where absent. */
  readonly lead: (number: number | undefined) => void;
  /** Whether somebody elsewhere is before this one. */
  readonly isBehind: (number: number) => boolean;
  /** Whether anybody waits elsewhere. */
  readonly isLong: () => boolean;
  /** Something was given back here: who waits elsewhere is to look. */
  readonly freed: () => void;
}

interface LineDeps {
  /** Who is first in each thread, by its row; 0 for nobody. */
  readonly heads: Int32Array;
  readonly row: number;
  /** The next number, of all lines. */
  readonly next: () => number;
  /** Has all other threads look. */
  readonly call: () => void;
  /** Somebody waits here: from now on this thread looks when it is called. */
  readonly listen: () => void;
}

/** Numbers may run over. */
const isBefore = (one: number, other: number): boolean => ((one - other) | 0) < 0;

/** One line, as one thread sees it. */
export const createLine = ({ heads, row, next, call, listen }: LineDeps): Line => {
  const others = [...heads.keys()].filter((other) => other !== row);
  const isLong = (): boolean => others.some((other) => Atomics.load(heads, other) !== 0);

  return {
    number: (isAgain) => {
      const waiting = isAgain ? [...heads].filter((head) => head !== 0) : [];
      const first = waiting.reduce(
        (before, head) => (isBefore(head, before) ? head : before),
        waiting[0] ?? 0,
      );
      return (waiting.length === 0 ? next() : (first - 1) | 0) || -1;
    },
    lead: (number = 0) => {
      const before = Atomics.exchange(heads, row, number);
      if (number !== 0) listen();
      // Whoever was behind the one that is gone may be the first now.
      if (before !== 0 && before !== number && isLong()) call();
    },
    isBehind: (number) =>
      others.some((other) => {
        const head = Atomics.load(heads, other);
        return head !== 0 && isBefore(head, number);
      }),
    isLong,
    freed: () => {
      if (isLong()) call();
    },
  };
};
