import type { Answer } from "../core/answer.ts";
import type { Clock } from "../core/clock.ts";
import type { EngineSend, SentRequest } from "../core/engine-send.ts";
import { isEngineFailure, type RouterError } from "../core/errors.ts";
import type { Attempt } from "./attempt.ts";
import type { DeadEnds } from "./dead-ends.ts";
import type { Deadlines } from "./deadlines.ts";
import { type Failure, failureOfCode, failureOfStatus } from "./next-attempt.ts";
import { exchange } from "./upstream.ts";

/** What an engine is sent; `path` is appended to its base URL. */
export type Message = Omit<SentRequest, "signal"> & { readonly path: string };

/** What an attempt came to, after so many milliseconds of its engine: with a failure nothing has gone to the client. */
export type Outcome = { readonly engineMs: number } & (
  | { readonly answer: Answer; readonly error?: undefined; readonly failure: Failure | undefined }
  | { readonly answer?: undefined; readonly error: RouterError; readonly failure: Failure }
);

interface AskDeps {
  readonly deadlines: Deadlines;
  readonly deadEnds: DeadEnds;
  readonly send: EngineSend;
  readonly clock: Clock;
}

/** Has an attempt made. Throws where it ended for another reason than its engine. */
export type Ask = (
  attempt: Attempt,
  message: Message,
  /** Puts the answer into other words before it is looked at. */
  told?: (answer: Answer) => Answer,
) => Promise<Outcome>;

/** Creates what asks an engine for an answer, and says whether it is one that another engine may replace. */
export const createAsk =
  ({ deadlines, deadEnds, send, clock }: AskDeps): Ask =>
  async (attempt, message, told) => {
    const { endpoint, call, progress, signal } = attempt;
    const sentAt = clock.monotonic();
    try {
      const answer = await exchange(
        send,
        endpoint.url + message.path,
        { ...message, signal },
        {
          // Where the last one was lost as well, no connection has been pooled since.
          mayReconnect: call.isReplaySafe && !deadEnds.has(endpoint, sentAt),
          onHead: () => deadlines.head(progress),
        },
      );
      deadEnds.answered(endpoint);
      const engineMs = clock.monotonic() - sentAt;
      attempt.begun(answer);
      if (answer.rest) deadlines.firstChunk(progress);
      const failure = answer.rest ? undefined : failureOfStatus(answer.status);
      if (failure) attempt.answered(answer.status);
      return { answer: told ? told(answer) : answer, failure, engineMs };
    } catch (error) {
      attempt.failed(error);
      if (!isEngineFailure(error)) throw error;
      return { error, failure: failureOfCode(error.code), engineMs: clock.monotonic() - sentAt };
    }
  };
