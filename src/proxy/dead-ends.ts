import type { Endpoint } from "../core/endpoint.ts";

/** Engines to which the last connection failed or was lost without a byte. */
export interface DeadEnds {
  readonly found: (endpoint: Endpoint, now: number) => void;
  /** An answer has begun. */
  readonly answered: (endpoint: Endpoint) => void;
  /** Whether it was found one within the last seconds and has not answered since. */
  readonly has: (endpoint: Endpoint, now: number) => boolean;
}

/** Time after which nothing is known of an engine that nobody has asked: no longer than one that was restarted is out for. */
const FORGOTTEN_AFTER_MS = 5_000;

/** Knows none at first; times are monotonic milliseconds. */
export const createDeadEnds = (): DeadEnds => {
  const foundAt = new WeakMap<Endpoint, number>();
  return {
    found: (endpoint, now) => {
      foundAt.set(endpoint, now);
    },
    answered: (endpoint) => {
      foundAt.delete(endpoint);
    },
    has: (endpoint, now) => now - (foundAt.get(endpoint) ?? Number.NEGATIVE_INFINITY) < FORGOTTEN_AFTER_MS,
  };
};
