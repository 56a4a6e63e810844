import type { Ending } from "../core/ending.ts";
import type { Clock } from "../core/clock.ts";
import { type Count, createCount } from "../core/count.ts";
import { requestTimeout, RouterError } from "../core/errors.ts";
import { createQueue, type Queue } from "./queue.ts";

/** Who is under way and who waits; it outlives a change of the limits. */
export interface AdmissionState {
  readonly underWay: Count;
  /** Requests whose bodies are being read. */
  readonly reading: Count;
  /** Requests that wait for their turn, whatever they wait for. */
  readonly waiting: Count;
  /** Those who wait to be under way. */
  readonly places: Queue;
  /** Those who are, and wait for an engine that has room. */
  readonly engines: Queue;
  /** Requests that have room on an engine, where several threads send them; accounts tell it otherwise. */
  readonly onEngine?: ((endpointId: string) => Count | undefined) | undefined;
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
  readonly signal: Ending;
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
  underWay: createCount(),
  reading: createCount(),
  waiting: createCount(),
  places: createQueue(deps),
  engines: createQueue(deps),
});

/** Lets requests wait, as far as the limits allow. */
export const createWaiting = (
  { queueSize, queueTimeoutMs }: WaitingLimits,
  { clock, state, metrics }: WaitingDeps,
) => {
  const refuse = (reason: string): never => {
    metrics.rejected("queue_full");
    const message = queueSize > 0 ? `As many requests wait as may (--queue-size ${queueSize}).` : reason;
    throw new RouterError("queue_full", message);
  };

  /** Throws where nobody else may wait; `reason` is told where nobody may at all. */
  const check = (reason: string): void => {
    if (state.waiting.value() >= queueSize) refuse(reason);
  };

  /** What `take` gives when it is this client's turn, whose connection may be silent meanwhile; throws as `check`. */
  const wait = async <Thing>(
    queue: Queue,
    take: () => Thing | undefined,
    { signal, dueAt, allowSilence, limitSilence }: Waiter,
    { reason, isAgain = false }: { readonly reason: string; readonly isAgain?: boolean },
  ): Promise<Thing> => {
    if (isAgain) state.waiting.add(1);
    else if (!state.waiting.addBelow(queueSize)) refuse(reason);
    let isCounted = true;
    const uncount = (): void => {
      if (isCounted) state.waiting.add(-1);
      isCounted = false;
    };
    const takeTurn = (): Thing | undefined => {
      const thing = take();
      if (thing !== undefined) uncount();
      return thing;
    };
    const since = clock.monotonic();
    const isDueFirst = dueAt - since < queueTimeoutMs;
    allowSilence();
    try {
      return await queue.wait(takeTurn, {
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
      uncount();
      limitSilence();
      metrics.queued(clock.monotonic() - since);
    }
  };

  return { check, wait };
};
