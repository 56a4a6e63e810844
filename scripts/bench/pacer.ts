import { Worker } from "node:worker_threads";
import type { Pace } from "./open-loop.ts";

/** What the pacing thread is told when it is ready; times are on the clock that both threads share. */
export interface PacerOrder {
  readonly startsAt: number;
  readonly count: number;
  readonly intervalMs: number;
}

/** What the pacing thread says. */
export type PacerSignal = "ready" | "due";

/** Time for the order to reach the thread before the first request is due. */
const HEAD_START_MS = 20;

/**
 * Paces from a thread that sleeps to the microsecond: timers of the event loop fire on whole milliseconds, and
 * an event loop that spins takes from the engine the CPU that the two may have to share.
 */
export const paceFromThread: Pace = async ({ count, intervalMs }, onDue) => {
  const thread = new Worker(new URL("pacer-thread.ts", import.meta.url));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  thread.on("error", reject);
  let startsAt = 0;
  let due = 0;
  thread.on("message", (signal: PacerSignal) => {
    if (signal === "ready") {
      startsAt = performance.now() + HEAD_START_MS;
      const order: PacerOrder = { startsAt: performance.timeOrigin + startsAt, count, intervalMs };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
      thread.postMessage(order);
      return;
    }
    onDue(startsAt + due * intervalMs);
    due += 1;
    if (due === count) resolve();
  });
  await promise;
  await thread.terminate();
};
