import type { AnswerBody, Bytes } from "../../src/core/answer.ts";
import { bodyOf } from "../../src/proxy/fetch-send.ts";

type Read =
  | { readonly done: false; readonly value: Bytes }
  | { readonly done: true; readonly value: undefined };

/** The body of an engine's answer, whose every chunk a test sends by hand. */
export interface EngineBody {
  readonly body: AnswerBody;
  readonly send: (text: string) => void;
  readonly finish: () => void;
  readonly fail: (error: unknown) => void;
  /** How often the router has asked for more. */
  readonly reads: () => number;
  readonly isCancelled: () => boolean;
}

/** What cancelling does is the runtime's choice: it may reject when the fetch was aborted before. */
export const createEngineBody = (cancel: () => Promise<void> = async () => {}): EngineBody => {
  const waiting: PromiseWithResolvers<Read>[] = [];
  const outcomes: ((read: PromiseWithResolvers<Read>) => void)[] = [];
  let last: ((read: PromiseWithResolvers<Read>) => void) | undefined;
  let reads = 0;
  let isCancelled = false;

  const settleReads = (): void => {
    for (;;) {
      const outcome = outcomes[0] ?? last;
      const read = outcome && waiting.shift();
      if (!read) return;
      outcomes.shift();
      outcome(read);
    }
  };
  const end = (outcome: (read: PromiseWithResolvers<Read>) => void): void => {
    last ??= outcome;
    settleReads();
  };
  const finish = (): void => end(({ resolve }) => resolve({ done: true, value: undefined }));

  return {
    body: bodyOf({
      read: async () => {
        reads += 1;
        const read = Promise.withResolvers<Read>();
        waiting.push(read);
        settleReads();
        return read.promise;
      },
      cancel: async () => {
        isCancelled = true;
        outcomes.length = 0;
        finish();
        await cancel();
      },
    }),
    send: (text) => {
      if (last) return;
      const value = new Uint8Array(Buffer.from(text));
      outcomes.push(({ resolve }) => resolve({ done: false, value }));
      settleReads();
    },
    finish,
    fail: (error) => end(({ reject }) => reject(error)),
    reads: () => reads,
    isCancelled: () => isCancelled,
  };
};
