import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Worker } from "./worker.ts";

interface KeptOptions {
  readonly row: number;
  /** Starts it, or another one in its place. */
  readonly start: () => Worker;
  /** How often it has given a sign of life. */
  readonly beats: () => number;
  /** Whether another one is to start where one ends: not when all are to end. */
  readonly isWanted: () => boolean;
}

interface KeptDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** One has ended by itself: settles what it leaves behind, before another one starts. */
  readonly onGone: (reason: string) => void;
}

/** A worker that is replaced when it ends. Disposing it ends the one that there is. */
export interface KeptWorker extends AsyncDisposable {
  /** Where the first one listens; rejects where it cannot. */
  readonly listening: Promise<string>;
}

const LOOK_MS = 1000;
/** Looks in a row at which one that lives has given no sign: its event loop hangs. */
const MOST_SILENT = 30;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** Whoever has lived for so long has not failed at its start. */
const STABLE_MS = 60_000;

/** Starts a worker and keeps one: who ends is replaced, later and later while they end soon; who hangs is ended. */
export const keepWorker = (
  { row, start, beats, isWanted }: KeptOptions,
  { clock, log, onGone }: KeptDeps,
): KeptWorker => {
  const over = new AbortController();
  const first = start();
  let current: Worker | undefined = first;

  const pause = async (forMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(forMs, resolve);
    over.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  };

  /** Looks are counted and not time, so that a process that was stopped is no reason. */
  const watch = (worker: Worker): Disposable => {
    let known = beats();
    let silent = 0;
    let timer: Disposable | undefined;
    const look = (): void => {
      silent = beats() === known ? silent + 1 : 0;
      known = beats();
      if (silent >= MOST_SILENT) {
        log.error(`Worker ${row} has not moved for ${(MOST_SILENT * LOOK_MS) / 1000} s and is ended`);
        void worker.terminate();
      } else timer = clock.after(LOOK_MS, look);
    };
    timer = clock.after(LOOK_MS, look);
    return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
  };

  const watchTillEnd = async (worker: Worker): Promise<string> => {
    using _watching = watch(worker);
    return await worker.ended;
  };

  const keep = async (): Promise<void> => {
    let pauseMs = FIRST_PAUSE_MS;
    for (let worker = first; ;) {
      const startedAt = clock.monotonic();
      const reason = await watchTillEnd(worker);
      current = undefined;
      if (over.signal.aborted) return;
      if (clock.monotonic() - startedAt >= STABLE_MS) pauseMs = FIRST_PAUSE_MS;
      onGone(reason);
      const next = isWanted() ? `; another one starts in ${pauseMs / 1000} s` : "";
      log.error(`Worker ${row} ${reason}, and its requests with it${next}`);
      await pause(pauseMs);
      if (over.signal.aborted || !isWanted()) return;
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      worker = start();
      current = worker;
      worker.listening.then(
        () => log.info(`Worker ${row} serves again`),
        (error: unknown) => log.error(`Worker ${row} does not serve: ${String(error)}`),
      );
    }
  };
  const keeping = keep();

  return {
    listening: first.listening,
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await current?.terminate();
      await keeping;
    },
  };
};
