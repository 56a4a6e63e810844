import type { Clock } from "../core/clock.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import { MOST_LAG_MS } from "../health/lag.ts";

/**
 * Whether a fresh connection to a URL's host gets no answer at all. One that is refused gets an answer: the host is
 * alive, and an engine that takes no more connections may be finishing what it has.
 */
export type IsSilent = (url: string) => Promise<boolean>;

/** Creates a prober that makes one connection to a host at a time, whoever asks meanwhile. */
export const createReachability = (
  { timeoutMs }: { readonly timeoutMs: number },
  { reach, clock }: { readonly reach: EngineReach; readonly clock: Clock },
): IsSilent => {
  const pending = new Map<string, Promise<boolean>>();

  const probe = async (url: string): Promise<boolean> => {
    const giveUp = new AbortController();
    const dueAt = clock.monotonic() + timeoutMs;
    const limit = clock.after(timeoutMs, () => giveUp.abort(new Error("no answer")));
    const isReached = await reach(url, giveUp.signal);
    limit[Symbol.dispose]();
    pending.delete(url);
    // What the event loop was held up for may be an answer.
    const isLate = clock.monotonic() - dueAt > MOST_LAG_MS;
    return !isReached && giveUp.signal.aborted && !isLate;
  };

  return async (url) => {
    const probing = pending.get(url) ?? probe(url);
    pending.set(url, probing);
    return probing;
  };
};
