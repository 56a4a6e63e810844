import { createAnswerReader } from "./answer-reader.ts";
import type { HeldEvents, HeldStream } from "./held-loop.ts";
import { createStampReader } from "./held-workloads.ts";

const NANOS_PER_MS = 1e6;

interface HeldRequest {
  /** A port of 127.0.0.1. */
  readonly port: number;
  readonly request: Buffer;
  /** The clock of the stamps, in nanoseconds. */
  readonly nanos: () => number;
}

/** Sends a request and reads its stamped events. Resolves at the first one; rejects when there is none. */
export const openHeldStream = async (
  { port, request, nanos }: HeldRequest,
  { onEvent, onRead, onLost }: HeldEvents,
): Promise<HeldStream> => {
  const { promise: begun, resolve: begin, reject: refuse } = Promise.withResolvers<void>();
  let state: "waiting" | "open" | "ended" = "waiting";
  let readAt = 0;
  const reader = createAnswerReader(
    createStampReader((sentAt) => {
      if (state === "waiting" && reader.status() === 200) {
        state = "open";
        begin();
      }
      onEvent((readAt - sentAt) / NANOS_PER_MS);
    }),
  );
  const breakOff = (): void => {
    if (state === "waiting") refuse(new Error("the stream was refused"));
    if (state === "open") onLost();
    state = "ended";
  };

  let unsent: Buffer = request;
  const flush = (to: { readonly write: (bytes: Buffer) => number }): void => {
    if (unsent.length > 0) unsent = unsent.subarray(Math.max(0, to.write(unsent)));
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (opened) => {
        opened.setNoDelay(true);
        flush(opened);
      },
      data: (from, bytes) => {
        readAt = nanos();
        try {
          const isComplete = reader.push(bytes);
          onRead();
          if (!isComplete) return;
        } catch {
          // What is not the engine's stream is no stream.
        }
        from.terminate();
        breakOff();
      },
      drain: flush,
      close: breakOff,
      error: breakOff,
    },
  });
  await begun;
  return {
    close: () => {
      state = "ended";
      socket.terminate();
    },
  };
};
