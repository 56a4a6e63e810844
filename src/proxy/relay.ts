import type { Clock } from "../core/clock.ts";
import type { BodyReader } from "./upstream.ts";

/** How a relayed body ended. */
export type RelayEnd = "done" | "failed" | "client_closed";

interface RelayOptions {
  /** Sent in an event stream whose engine fails, before the connection is cut. */
  readonly failureEvent: Uint8Array | undefined;
  /** Aborted when the client has left. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called once, whatever happens. */
  readonly onEnd: (end: RelayEnd, cause?: unknown) => void;
}

/** Time for the failure event to leave before the connection is reset. */
const FAREWELL_MS = 50;

/**
 * The rest of a body, chunk by chunk, pulled only as fast as the client reads. A failure of the engine cuts the
 * connection without a terminating chunk, so that it never looks like a complete answer.
 */
export const relay = (
  first: Uint8Array | undefined,
  rest: BodyReader,
  { failureEvent, signal, clock, onEnd }: RelayOptions,
): ReadableStream<Uint8Array> => {
  let isOver = false;
  const end = (how: RelayEnd, cause?: unknown): void => {
    if (isOver) return;
    isOver = true;
    onEnd(how, cause);
  };

  const fail = async (
    controller: ReadableStreamDefaultController<Uint8Array>,
    cause: unknown,
  ): Promise<void> => {
    if (signal.aborted || isOver) {
      end("client_closed");
      controller.error(cause);
      return;
    }
    end("failed", cause);
    if (failureEvent) {
      controller.enqueue(failureEvent);
      // The stream is pulled again as soon as pull() settles, so the wait is a part of it.
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(FAREWELL_MS, resolve);
      await promise;
    }
    controller.error(cause);
  };

  return new ReadableStream(
    {
      start: (controller) => {
        if (first) controller.enqueue(first);
      },
      pull: async (controller) => {
        try {
          const { done, value } = await rest.read();
          if (done) {
            end("done");
            controller.close();
          } else controller.enqueue(value);
        } catch (error) {
          await fail(controller, error);
        }
      },
      cancel: () => {
        end("client_closed");
        // The fetch's own signal ends the engine's work; a reader that was ended by it rejects here.
        rest.cancel().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
};
