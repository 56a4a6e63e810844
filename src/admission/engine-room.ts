import type { Queue } from "./queue.ts";
import type { createWaiting, Waiter } from "./waiting.ts";

/** An engine with what is under way on it now. */
interface Loaded {
  readonly requests: { readonly inPrefill: number; readonly inDecode: number };
}

type NotEmpty<One> = readonly [One, ...One[]];

/** How many more requests engines may get. */
export interface EngineRoom {
  /** Whether one more may go to an engine now. */
  readonly has: (requests: Loaded["requests"]) => boolean;
  /**
   * Those of the engines found that have room, at once where there are any; `undefined` where none is found at all.
   * Throws `queue_full`, `queue_timeout`, or why the client's signal aborted. `isAgain` is for whoever was overtaken.
   */
  readonly among: <One extends Loaded>(
    find: () => NotEmpty<One> | undefined,
    client: Waiter,
    isAgain: boolean,
  ) => NotEmpty<One> | undefined | Promise<NotEmpty<One> | undefined>;
  /** A request on some engine has ended. */
  readonly freed: () => void;
}

interface RoomDeps {
  readonly queue: Queue;
  readonly waiting: ReturnType<typeof createWaiting>;
}

const isNotEmpty = <One>(list: readonly One[]): list is NotEmpty<One> => list.length > 0;

/** Keeps every engine at so many requests at most; the others wait for the first that has room. */
export const createEngineRoom = (maxPerEngine: number, { queue, waiting }: RoomDeps): EngineRoom => {
  const has = ({ inPrefill, inDecode }: Loaded["requests"]): boolean => inPrefill + inDecode < maxPerEngine;

  /** The same array where all have room, as policies keep what they know of it. */
  const withRoom = <One extends Loaded>(all: NotEmpty<One>): NotEmpty<One> | undefined => {
    if (all.every(({ requests }) => has(requests))) return all;
    const left = all.filter(({ requests }) => has(requests));
    return isNotEmpty(left) ? left : undefined;
  };

  return {
    has,
    among: (find, client, isAgain) => {
      // An engine that is well again is known to those who wait only when they look.
      if (queue.depth() > 0 && !isAgain) queue.advance();
      const all = find();
      if (!all) return undefined;
      const free = withRoom(all);
      if (free) return free;
      if (!isAgain) {
        waiting.check(
          `Now every engine of the model has as many requests as it may (--max-concurrent-requests-per-engine ${maxPerEngine}).`,
        );
      }
      const take = () => {
        const found = find();
        if (!found) return { found };
        const left = withRoom(found);
        return left && { found: left };
      };
      return waiting.wait(queue, take, client, isAgain).then(({ found }) => found);
    },
    freed: () => {
      if (queue.depth() > 0) queue.advance();
    },
  };
};
