import type { Clock } from "../core/clock.ts";
import { requestTimeout, RouterError } from "../core/errors.ts";
import { createQueue, type Queue } from "./queue.ts";

/** Who is under way and who waits; it outlives a change of the limits. */
export interface AdmissionState {
  underWay: number;
  /** Requests whose bodies are being read. */
  reading: number;
  /** Those who wait to be under way. */
  readonly places: Queue;
  /** Those who are, and wait for an engine that has room. */
  readonly engines: Queue;
}

/** Why a request was turned away, as a metric has it. */
export type Rejection = "queue_full" | "queue_timeout" | "overloaded";

/** What is counted of those who wait and are turned away. */
export interface WaitingMetrics {
  /** Somebody waited for so long, whatever came of it. */
  readonly queued: (ms: number) => void;
  readonly rejected: (why: Rejection) => void;
}

/** The other end of a request that may have to wait. */
export interface Waiter {
  readonly signal: AbortSignal;
  /** Monotonic milliseconds at which its request is over in any case. */
  readonly dueAt: number;
  readonly allowSilence: () => void;
  readonly limitSilence: () => void;
}

/** How many may wait, for how long. */
export interface WaitingLimits {
  /** Requests that wait for their turn, whatever they wait for. */
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
}

interface WaitingDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly state: AdmissionState;
  readonly metrics: WaitingMetrics;
}

/** Nobody under way, nobody waiting. */
export const createAdmissionState = (deps: { readonly clock: Clock }): AdmissionState => ({
  underWay: 0,
  reading: 0,
  places: createQueue(deps),
  engines: createQueue(deps),
});

/** How many wait, whatever they wait for. */
export const countWaiting = ({ places, engines }: Pick<AdmissionState, "places" | "engines">): number =>
  places.depth() + engines.depth();

/** Lets requests wait, as far as the limits allow. */
export const createWaiting = (
  { queueSize, queueTimeoutMs }: WaitingLimits,
  { clock, state, metrics }: WaitingDeps,
) => {
  /** Throws where nobody else may wait; `reason` is told where nobody may at all. */
  const check = (reason: string): void => {
    if (countWaiting(state) < queueSize) return;
    metrics.rejected("queue_full");
    const message = queueSize > 0 ? `As many requests wait as may (--queue-size ${queueSize}).` : reason;
    throw new RouterError("queue_full", message);
  };

  /** What `take` gives when it is this client's turn, whose connection may be silent meanwhile. */
  const wait = async <Thing>(
    queue: Queue,
    take: () => Thing | undefined,
    { signal, dueAt, allowSilence, limitSilence }: Waiter,
    isAgain = false,
  ): Promise<Thing> => {
    const since = clock.monotonic();
    const isDueFirst = dueAt - since < queueTimeoutMs;
    allowSilence();
    try {
      return await queue.wait(take, {
        timeoutMs: isDueFirst ? dueAt - since : queueTimeoutMs,
        signal,
        isAgain,
      });
    } catch (error) {
      if (!(error instanceof RouterError) || error.code !== "queue_timeout") throw error;
      if (isDueFirst) throw requestTimeout();
      metrics.rejected(error.code);
      throw error;
    } finally {
      limitSilence();
      metrics.queued(clock.monotonic() - since);
    }
  };

  return { check, wait };
};
