import { createWindow } from "../core/window.ts";

/** How much of the traffic may be attempts that come after others, so that an outage is not made worse. */
export interface RetryBudget {
  /** A request came, which others may draw on. */
  readonly arrived: (now: number) => void;
  /**
   * Takes a permit for one more attempt while `inFlight` requests are under way; `undefined` when the budget is
   * spent. Disposing the permit, as often as one likes, gives its place back: when the attempt has an answer.
   */
  readonly take: (now: number, inFlight: number) => Disposable | undefined;
}

/** The numbers of a budget: both of its limits must allow an attempt. */
interface Limits {
  /** Attempts that are under way at once: this share of the requests in flight, or this number where that is more. */
  readonly inFlightShare: number;
  readonly leastInFlight: number;
  /** Attempts over the window: this share of the requests in it, or this number where that is more. */
  readonly rateShare: number;
  readonly leastInWindow: number;
  readonly windowMs: number;
}

/** A fifth of what is in flight, but 3; and a tenth of the rate over 10 s, but 1 per second. */
export const RETRY_LIMITS: Limits = {
  inFlightShare: 0.2,
  leastInFlight: 3,
  rateShare: 0.1,
  leastInWindow: 10,
  windowMs: 10_000,
};

/** Creates a full budget; times are monotonic milliseconds. */
export const createRetryBudget = (limits: Limits = RETRY_LIMITS): RetryBudget => {
  const requests = createWindow(limits.windowMs);
  const attempts = createWindow(limits.windowMs);
  let underWay = 0;

  return {
    arrived: (now) => requests.add(now),
    take: (now, inFlight) => {
      if (underWay >= Math.max(limits.leastInFlight, Math.floor(inFlight * limits.inFlightShare)))
        return undefined;
      const inWindow = Math.floor(requests.count(now) * limits.rateShare);
      if (attempts.count(now) >= Math.max(limits.leastInWindow, inWindow)) return undefined;
      attempts.add(now);
      underWay += 1;
      let isHeld = true;
      return {
        [Symbol.dispose]: () => {
          if (isHeld) underWay -= 1;
          isHeld = false;
        },
      };
    },
  };
};
