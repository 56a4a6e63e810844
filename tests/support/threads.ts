import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** Runs a file in a thread for each of these, all at the same time; gives what each of them says at its end. */
export const inThreads = async (file: URL, data: readonly unknown[]): Promise<readonly unknown[]> =>
  Promise.all(
    data.map(async (each) => {
      const thread = new Worker(file, { workerData: each });
      try {
        const ended = once(thread, "exit").then(() => Promise.reject(new Error("the thread said nothing")));
        const [said] = await Promise.race([once(thread, "message"), ended]);
        return said;
      } finally {
        await thread.terminate();
      }
    }),
  );

/** Waits until so many threads are here, so that what follows happens in all of them at once. */
export const meet = (barrier: Int32Array, threads: number): void => {
  Atomics.add(barrier, 0, 1);
  while (Atomics.load(barrier, 0) < threads);
};

/** In a thread: does the task with what the thread is given, and says what comes of it. */
export const serveThread = async (task: (data: never) => unknown): Promise<void> => {
  // A thread that only waits for others would end.
  const stay = setInterval(() => {}, 1000);
  const said = await task(workerData as never);
  clearInterval(stay);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  parentPort?.postMessage(said);
};
