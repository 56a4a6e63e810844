import { aborted } from "../core/aborted.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";

/** How long the router stays when it is asked to end. */
export interface LeaveOptions {
  /** Time for which it still takes requests, so that whoever sends them sees that it is not ready. */
  readonly delayMs: number;
  /** Time that requests under way then have to end. */
  readonly timeoutMs: number;
}

interface LeaveDeps {
  readonly server: Pick<Bun.Server<undefined>, "stop" | "pendingRequests">;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the delay is over before its time. */
  readonly stopAccepting: AbortSignal;
  /** Aborts when all waiting is over. */
  readonly stopNow: AbortSignal;
  /** Ends every request under way with an error that its client can tell. */
  readonly cut: () => void;
}

/** Time that the clients have to take the last words. */
const LAST_WORDS_MS = 1000;
const LOOK_MS = 20;

const requests = (count: number): string => `${count} request${count === 1 ? "" : "s"}`;

/** Takes requests for a while, then no more; lets those under way end, then cuts them; closes every connection. */
export const leave = async (
  { delayMs, timeoutMs }: LeaveOptions,
  { server, clock, log, stopAccepting, stopNow, cut }: LeaveDeps,
): Promise<void> => {
  /** Waits for so long at most, and for nothing that ends all waiting. */
  const wait = async (atMostMs: number, ...others: readonly Promise<void>[]): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(atMostMs, resolve);
    await Promise.race([promise, ...others]);
  };

  const isUrgent = aborted(stopNow);
  if (delayMs > 0 && !stopAccepting.aborted) {
    log.info(
      `Leaving: not ready any more; requests are still taken for ${delayMs / 1000} s (--drain-delay-seconds)`,
    );
    await wait(delayMs, aborted(stopAccepting), isUrgent);
  }
  const stopped = server.stop();
  if (server.pendingRequests > 0 && !stopNow.aborted) {
    log.info(
      `Ending: no new requests; ${server.pendingRequests} under way may finish within ${timeoutMs / 1000} s, a second signal cuts them`,
    );
  }
  // The server itself also waits for connections on which nobody has said anything, or only half of it.
  const over = new AbortController();
  const answered = async (): Promise<void> => {
    while (!over.signal.aborted && server.pendingRequests > 0) await wait(LOOK_MS, stopped);
  };
  await wait(timeoutMs, stopped, answered(), isUrgent);
  over.abort();
  if (server.pendingRequests > 0) {
    log.warning(`Cutting ${requests(server.pendingRequests)} that did not end in time`);
    cut();
  }
  await wait(LAST_WORDS_MS, stopped);
  await server.stop(true);
};
