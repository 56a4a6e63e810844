import type { Ending } from "./ending.ts";

/** Resolves when a signal aborts. */
export const aborted = async (signal: Ending): Promise<void> => {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  await promise;
};
