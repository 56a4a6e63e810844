import type { Clock } from "../core/clock.ts";
import { RouterError } from "../core/errors.ts";
import { createEngineRoom, type EngineRoom, type Place } from "./engine-room.ts";
import {
  type AdmissionState,
  createWaiting,
  type Waiter,
  type WaitingLimits,
  type WaitingMetrics,
} from "./waiting.ts";

/** How many requests may be under way, and wait to be. */
export interface AdmissionLimits extends WaitingLimits {
  /** Requests at engines at once. */
  readonly maxConcurrent: number;
  /** Requests at each engine at once; no limit where absent. */
  readonly maxPerEngine?: number | undefined;
}

interface AdmissionDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly state: AdmissionState;
  readonly metrics: WaitingMetrics;
  /** Whether there is too little memory left for more work. */
  readonly isShort: () => boolean;
}

/** Says who may go to an engine now. */
export interface Admission {
  /** Throws where a request would be turned away now, before its body is read. */
  readonly check: () => void;
  /** Counts a request whose body is being read, which takes memory as well. */
  readonly read: <Result>(reading: Promise<Result>) => Promise<Result>;
  /** A place, at once where one is free. Throws `queue_full`, `queue_timeout`, or why the client's signal aborted. */
  readonly enter: (client: Waiter) => Place | Promise<Place>;
  /** Absent where every engine has room for all. */
  readonly room?: EngineRoom | undefined;
}

/** Lets as many requests in as the limits allow; the others wait in the order in which they came, or are turned away. */
export const createAdmission = (
  { maxConcurrent, maxPerEngine, ...limits }: AdmissionLimits,
  { clock, state, metrics, isShort }: AdmissionDeps,
): Admission => {
  const { places } = state;
  const waiting = createWaiting(limits, { clock, state, metrics });
  const full = `As many requests are under way as may (--max-concurrent-requests ${maxConcurrent}).`;

  const take = (): Place | undefined => {
    if (!state.underWay.addBelow(maxConcurrent)) return undefined;
    let isOver = false;
    return {
      leave: () => {
        if (isOver) return;
        isOver = true;
        state.underWay.add(-1);
        places.freed();
      },
    };
  };

  const endReading = (): void => state.reading.add(-1);

  const check = (): void => {
    // With nobody in here nobody could give memory back: one is always let in.
    if (state.underWay.value() + state.reading.value() > 0 && isShort()) {
      metrics.rejected("overloaded");
      throw new RouterError(
        "overloaded",
        "The router is short of memory and takes no further requests for now.",
      );
    }
    if (state.underWay.value() < maxConcurrent && !places.isWaitedIn()) return;
    waiting.check(full);
  };

  return {
    check,
    read: (reading) => {
      state.reading.add(1);
      reading.then(endReading, endReading);
      return reading;
    },
    enter: (client) => {
      const place = places.isWaitedIn() ? undefined : take();
      if (place) return place;
      check();
      return waiting.wait(places, take, client, { reason: full });
    },
    // Where it is shared it is counted without a limit as well, because a reload may bring one.
    room:
      maxPerEngine === undefined && !state.onEngine
        ? undefined
        : createEngineRoom(maxPerEngine, { state, waiting }),
  };
};
