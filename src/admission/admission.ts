import type { Clock } from "../core/clock.ts";
import { RouterError } from "../core/errors.ts";
import { createQueue, type Queue } from "./queue.ts";

/** How many requests may be under way, and wait to be. */
export interface AdmissionLimits {
  /** Requests at engines at once. */
  readonly maxConcurrent: number;
  /** Requests that wait for their turn. */
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
}

/** Who is under way and who waits; it outlives a change of the limits. */
export interface AdmissionState {
  underWay: number;
  readonly queue: Queue;
}

/** Why a request was turned away, as a metric has it. */
export type Rejection = "queue_full" | "queue_timeout" | "overloaded";

interface AdmissionDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly state: AdmissionState;
  readonly metrics: {
    /** Somebody waited for so long, whatever came of it. */
    readonly queued: (ms: number) => void;
    readonly rejected: (why: Rejection) => void;
  };
  /** Whether there is too little memory left for more work. */
  readonly isShort: () => boolean;
}

/** A request's place among those under way. */
export interface Place {
  /** Gives it back; once more does nothing. */
  readonly leave: () => void;
}

/** The other end of a request that may have to wait. */
interface Waiting {
  readonly signal: AbortSignal;
  readonly allowSilence: () => void;
  readonly limitSilence: () => void;
}

/** Says who may go to an engine now. */
export interface Admission {
  /** Throws where a request would be turned away now, before its body is read. */
  readonly check: () => void;
  /** A place, at once where one is free. Throws `queue_full`, `queue_timeout`, or why the client's signal aborted. */
  readonly enter: (client: Waiting) => Place | Promise<Place>;
}

/** Nobody under way, nobody waiting. */
export const createAdmissionState = (deps: { readonly clock: Clock }): AdmissionState => ({
  underWay: 0,
  queue: createQueue(deps),
});

/** Lets as many requests in as the limits allow; the others wait in the order in which they came, or are turned away. */
export const createAdmission = (
  { maxConcurrent, queueSize, queueTimeoutMs }: AdmissionLimits,
  { clock, state, metrics, isShort }: AdmissionDeps,
): Admission => {
  const { queue } = state;
  const isFree = (): boolean => state.underWay < maxConcurrent;

  const take = (): Place => {
    state.underWay += 1;
    let isOver = false;
    return {
      leave: () => {
        if (isOver) return;
        isOver = true;
        state.underWay -= 1;
        if (queue.depth() > 0) queue.advance();
      },
    };
  };

  const refuse = (why: Rejection, message: string): RouterError => {
    metrics.rejected(why);
    return new RouterError(why, message);
  };

  const check = (): void => {
    // With nobody under way nobody could give memory back: one is always let in.
    if (state.underWay > 0 && isShort()) {
      throw refuse("overloaded", "The router is short of memory and takes no further requests for now.");
    }
    if ((isFree() && queue.depth() === 0) || queue.depth() < queueSize) return;
    throw refuse(
      "queue_full",
      queueSize > 0
        ? `${queueSize} requests wait already (--queue-size).`
        : `${maxConcurrent} requests are under way already (--max-concurrent-requests).`,
    );
  };

  const wait = async ({ signal, allowSilence, limitSilence }: Waiting): Promise<Place> => {
    const since = clock.monotonic();
    allowSilence();
    try {
      return await queue.wait(() => (isFree() ? take() : undefined), { timeoutMs: queueTimeoutMs, signal });
    } catch (error) {
      if (error instanceof RouterError && error.code === "queue_timeout") metrics.rejected(error.code);
      throw error;
    } finally {
      limitSilence();
      metrics.queued(clock.monotonic() - since);
    }
  };

  return {
    check,
    enter: (client) => {
      if (isFree() && queue.depth() === 0) return take();
      check();
      return wait(client);
    },
  };
};
