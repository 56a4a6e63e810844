import type { AdmissionState, createWaiting, Waiter } from "./waiting.ts";

/** A request's place, among those under way or on an engine. */
export interface Place {
  /** Gives it back; once more does nothing. */
  readonly leave: () => void;
}

/** An engine with what is under way on it now. */
interface Loaded {
  readonly endpoint: { readonly id: string };
  readonly requests: { readonly inPrefill: number; readonly inDecode: number };
}

type NotEmpty<One> = readonly [One, ...One[]];

/** How many more requests engines may get. */
export interface EngineRoom {
  /** A place for a request that goes to an engine now; `undefined` where it may not have one more. */
  readonly take: (engine: Loaded) => Place | undefined;
  /**
   * Those of the engines found that have room, at once where there are any; `undefined` where none is found at all.
   * Throws `queue_full`, `queue_timeout`, or why the client's signal aborted. `isAgain` is for whoever was overtaken.
   */
  readonly among: <One extends Loaded>(
    find: () => NotEmpty<One> | undefined,
    client: Waiter,
    isAgain: boolean,
  ) => NotEmpty<One> | undefined | Promise<NotEmpty<One> | undefined>;
}

interface RoomDeps {
  readonly state: Pick<AdmissionState, "engines" | "onEngine">;
  readonly waiting: ReturnType<typeof createWaiting>;
}

const isNotEmpty = <One>(list: readonly One[]): list is NotEmpty<One> => list.length > 0;

/** Keeps every engine at so many requests at most; the others wait for the first that has room. */
export const createEngineRoom = (
  maxPerEngine = Number.POSITIVE_INFINITY,
  { state: { engines: queue, onEngine }, waiting }: RoomDeps,
): EngineRoom => {
  const reason = `Now every engine of the model has as many requests as it may (--max-concurrent-requests-per-engine ${maxPerEngine}).`;
  /** Where accounts tell how many there are, so that nothing is to be given back but the news. */
  const counted: Place = { leave: queue.freed };

  const has = ({ endpoint, requests }: Loaded): boolean =>
    (onEngine?.(endpoint.id)?.value() ?? requests.inPrefill + requests.inDecode) < maxPerEngine;

  /** The same array where all have room, as policies keep what they know of it. */
  const withRoom = <One extends Loaded>(all: NotEmpty<One>): NotEmpty<One> | undefined => {
    if (maxPerEngine === Number.POSITIVE_INFINITY || all.every(has)) return all;
    const left = all.filter(has);
    return isNotEmpty(left) ? left : undefined;
  };

  return {
    take: (engine) => {
      const count = onEngine?.(engine.endpoint.id);
      if (!count) return has(engine) ? counted : undefined;
      if (!count.addBelow(maxPerEngine)) return undefined;
      let isOver = false;
      return {
        leave: () => {
          if (isOver) return;
          isOver = true;
          count.add(-1);
          queue.freed();
        },
      };
    },
    among: (find, client, isAgain) => {
      // An engine that is well again is known to those who wait only when they look.
      if (queue.depth() > 0 && !isAgain) queue.advance();
      const all = find();
      if (!all) return undefined;
      const free = withRoom(all);
      if (free) return free;
      if (!isAgain) waiting.check(reason);
      const take = () => {
        const found = find();
        if (!found) return { found };
        const left = withRoom(found);
        return left && { found: left };
      };
      return waiting.wait(queue, take, client, { reason, isAgain }).then(({ found }) => found);
    },
  };
};
