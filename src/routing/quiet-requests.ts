/** Requests of one engine whose answer comes in one piece: nothing tells when their prompts have been computed. */
export interface QuietRequests {
  /** One whose prompt is presumably computed by then; the times of those that follow are later, or nearly. */
  readonly add: (dueAt: number, tokens: number) => Disposable;
  /** Prompt tokens of requests under way that have presumably been computed. */
  readonly computedBy: (at: number) => number;
}

interface Quiet {
  readonly dueAt: number;
  readonly tokens: number;
  isDue: boolean;
}

/** None at first. */
export const createQuietRequests = (): QuietRequests => {
  const waiting = new Set<Quiet>();
  let due = 0;
  let computed = 0;
  return {
    add: (dueAt, tokens) => {
      const quiet: Quiet = { dueAt, tokens, isDue: false };
      waiting.add(quiet);
      return {
        [Symbol.dispose]: () => {
          if (waiting.delete(quiet) || !quiet.isDue) return;
          quiet.isDue = false;
          due -= 1;
          computed = due === 0 ? 0 : computed - tokens;
        },
      };
    },
    computedBy: (at) => {
      if (waiting.size > 0) {
        for (const quiet of waiting) {
          if (quiet.dueAt > at) break;
          waiting.delete(quiet);
          quiet.isDue = true;
          due += 1;
          computed += quiet.tokens;
        }
      }
      return computed;
    },
  };
};
