import type { StartThread } from "../core/thread.ts";
import type { MetricsState } from "../metrics/registry.ts";
import type { FromWorker, Order, ToWorker, WorkerSetup } from "./messages.ts";

/** What a worker says that is not about itself. */
export type Said = Exclude<FromWorker, { readonly kind: "listening" | "refused" | "done" }>;

/** A thread that serves requests. */
export interface Worker {
  /** Where it listens; rejects where it cannot, or ends before. */
  readonly listening: Promise<string>;
  /** Why it has ended, as half a sentence; never rejects. */
  readonly ended: Promise<string>;
  readonly post: (message: ToWorker) => void;
  /** Resolves when it is done, to what was asked for, or when the worker has ended. */
  readonly ask: (order: Order) => Promise<MetricsState | undefined>;
  readonly terminate: () => Promise<void>;
}

/** Starts a worker. */
export const startWorker = (
  setup: WorkerSetup,
  { startThread, hear }: { readonly startThread: StartThread; readonly hear: (said: Said) => void },
): Worker => {
  const listening = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<string>();
  // Whoever does not wait for it learns the same from its end.
  listening.promise.catch(() => {});
  const asked = new Map<number, (counted?: MetricsState) => void>();
  let last = 0;
  let hasEnded = false;

  const take = (message: FromWorker): void => {
    if (message.kind === "listening") listening.resolve(message.origin);
    else if (message.kind === "refused") listening.reject(new Error(message.reason));
    else if (message.kind === "done") asked.get(message.id)?.(message.counted);
    else hear(message);
  };
  const thread = startThread(setup, {
    onMessage: (message) => take(message as FromWorker),
    onEnd: (reason) => {
      hasEnded = true;
      listening.reject(new Error(`a worker ${reason}`));
      for (const resolve of asked.values()) resolve();
      ended.resolve(reason);
    },
  });

  return {
    listening: listening.promise,
    ended: ended.promise,
    post: (message) => thread.post(message),
    ask: async (order) => {
      last += 1;
      const id = last;
      const { promise, resolve } = Promise.withResolvers<MetricsState | undefined>();
      if (hasEnded) return undefined;
      asked.set(id, resolve);
      thread.post({ ...order, id });
      const counted = await promise;
      asked.delete(id);
      return counted;
    },
    terminate: thread.terminate,
  };
};
