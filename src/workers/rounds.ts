/**
 * Does a task for all who ask for it: one round at a time, and whoever asks while one is under way shares the next
 * one, so that nobody gets what was there before.
 */
export const inRounds = <Value>(task: () => Promise<Value>): (() => Promise<Value>) => {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<Value> | undefined;
  const begin = async (): Promise<Value> => {
    next = undefined;
    return task();
  };
  return async () => {
    if (!next) {
      next = last.then(begin);
      last = next.catch(() => {});
    }
    return next;
  };
};
