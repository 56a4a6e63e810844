import type { Ending } from "../core/ending.ts";
import type { AnswerBody, Bytes } from "../core/answer.ts";
import type { Clock } from "../core/clock.ts";
import { isEngineFailure, reasonOf, RouterError } from "../core/errors.ts";
import type { UsageFilter } from "./usage-filter.ts";

/** How a relayed body ended; where the router itself ends it, as if the client had: it says nothing of the engine. */
export type RelayEnd = "done" | "failed" | "client_closed";

interface RelayOptions {
  /** What is sent in an event stream before it is cut: because its engine fails, or for the reason given. */
  readonly failureEvent: ((reason?: RouterError) => Bytes) | undefined;
  /** Aborted when the client has left, or with the RouterError that ends the stream. */
  readonly signal: Ending;
  readonly clock: Clock;
  /** What the client does not get of the stream; absent where it gets all. */
  readonly filter?: UsageFilter | undefined;
  /** Called with each chunk after the first, when it is on its way; must not throw. */
  readonly onChunk: (chunk: Uint8Array) => void;
  /** Told when the client takes nothing of what waits for it, and when it does again. */
  readonly onStall?: (isStalled: boolean) => void;
  /** Called when the engine has sent all; throws where that cannot be the end. */
  readonly checkEnd?: () => void;
  /** Called once, whatever happens. */
  readonly onEnd: (end: RelayEnd, cause?: unknown) => void;
}

/** Time for what was written to leave before the connection is reset, which drops the rest. */
const FAREWELL_MS = 50;

/** Whether there is nobody to tell: the client has left, or takes nothing. */
const isClients = (reason: RouterError | undefined): boolean =>
  reason?.code === "client_closed" || reason?.code === "client_stalled";

/** Sends a chunk at once; a promise while it waits for the client, without which memory would be unbounded. */
const send = (sink: ReadableStreamDirectController, chunk: Bytes): Promise<number> | undefined => {
  const written = sink.write(chunk);
  void sink.flush();
  return typeof written === "number" ? undefined : written;
};

/**
 * A stream's source: the rest of a body, each chunk sent on when it comes, and held back where it comes from while
 * the client takes nothing. A failure of the engine cuts the connection without a terminating chunk, so that it never
 * looks like a complete answer.
 */
export const relay = (
  first: Bytes | undefined,
  rest: AnswerBody,
  { failureEvent, signal, clock, filter, onChunk, onStall, checkEnd, onEnd }: RelayOptions,
): Bun.DirectUnderlyingSource<Uint8Array> => {
  let isOver = false;
  const end = (how: RelayEnd, cause?: unknown): void => {
    if (isOver) return;
    isOver = true;
    onEnd(how, cause);
  };

  const pass = (sink: ReadableStreamDirectController, chunk: Bytes) => {
    const kept = filter ? filter.take(chunk) : chunk;
    return kept && send(sink, kept);
  };
  const passRest = (sink: ReadableStreamDirectController): void => {
    const kept = filter?.rest();
    if (kept) void send(sink, kept);
  };

  const fail = async (sink: ReadableStreamDirectController, cause: Error): Promise<void> => {
    const reason = signal.aborted ? reasonOf(signal, cause) : undefined;
    if (isOver) return;
    rest.cancel();
    if (isClients(reason)) end("client_closed", reason);
    else {
      end(reason && !isEngineFailure(reason) ? "client_closed" : "failed", reason ?? cause);
      passRest(sink);
      if (failureEvent)
        void send(sink, failureEvent(reason ?? (cause instanceof RouterError ? cause : undefined)));
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(FAREWELL_MS, resolve);
      await promise;
    }
    sink.close(cause);
  };

  /** Waits until the client takes what was sent, or something else ends the wait. */
  const taken = async (sent: Promise<unknown>): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    sent.then(resolve, resolve);
    signal.addEventListener("abort", resolve);
    onStall?.(true);
    await promise;
    signal.removeEventListener("abort", resolve);
    onStall?.(false);
  };

  return {
    // Bun's own kind of stream: what comes is sent from where it comes, without a pull for each chunk.
    type: "direct",
    pull: async (sink) => {
      const { promise: closed, resolve: close, reject: refuse } = Promise.withResolvers<void>();
      const failed = (cause: unknown): void =>
        void fail(sink, cause instanceof Error ? cause : new Error(String(cause))).then(close, refuse);
      const hand = async (full: Promise<unknown>): Promise<void> => {
        await taken(full);
        if (signal.aborted) failed(reasonOf(signal));
      };
      const full = first && pass(sink, first);
      if (full) await hand(full);
      if (!isOver)
        rest.flow({
          take: (piece) => {
            if (isOver) return undefined;
            const sent = pass(sink, piece);
            onChunk(piece);
            return sent && hand(sent);
          },
          ended: () => {
            if (isOver) return;
            try {
              checkEnd?.();
            } catch (error) {
              failed(error);
              return;
            }
            passRest(sink);
            end("done");
            sink.close();
            close();
          },
          failed,
        });
      return closed;
    },
    cancel: () => {
      end("client_closed");
      rest.cancel();
    },
  };
};
