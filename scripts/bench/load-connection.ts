import { createAnswerReader, type AnswerReader } from "./answer-reader.ts";

/** What a connection saw of one exchange. */
export interface Exchange {
  /** Complete, with status 200 and as long a body as expected. */
  readonly isGood: boolean;
  /** Monotonic milliseconds at which the first byte came, or the failure. */
  readonly firstAt: number;
  /** Monotonic milliseconds at which the last byte came, or the failure. */
  readonly endAt: number;
  /** How many reads the answer took. */
  readonly reads: number;
}

/** A connection that carries one exchange at a time. */
export interface LoadConnection {
  /** Sends a request; `done` is called exactly once, also when the connection breaks. */
  readonly send: (request: Buffer, done: (exchange: Exchange) => void) => void;
  /** False when no further exchange can be sent. */
  readonly isOpen: () => boolean;
  readonly close: () => void;
}

interface Pending {
  readonly reader: AnswerReader;
  readonly done: (exchange: Exchange) => void;
  firstAt: number | undefined;
  reads: number;
}

/** Connects to a port of 127.0.0.1; `bodyBytes` is the length of every right answer. */
export const connectLoad = async (port: number, bodyBytes: number): Promise<LoadConnection> => {
  let pending: Pending | undefined;
  let unsent: Buffer = Buffer.alloc(0);
  let isOpen = true;

  const finish = (isComplete: boolean): void => {
    if (!pending) return;
    const { reader, done, firstAt, reads } = pending;
    pending = undefined;
    const endAt = performance.now();
    const isGood = isComplete && reader.status() === 200 && reader.bodyBytes() === bodyBytes;
    done({ isGood, firstAt: firstAt ?? endAt, endAt, reads });
  };

  const breakOff = (): void => {
    isOpen = false;
    finish(false);
  };

  const flush = (to: { readonly write: (bytes: Buffer) => number }): void => {
    unsent = unsent.subarray(Math.max(0, to.write(unsent)));
  };

  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (opened) => {
        opened.setNoDelay(true);
      },
      data: (from, bytes) => {
        if (!pending) {
          from.terminate();
          return breakOff();
        }
        pending.firstAt ??= performance.now();
        pending.reads += 1;
        try {
          if (pending.reader.push(bytes)) finish(true);
        } catch {
          from.terminate();
          breakOff();
        }
      },
      drain: flush,
      close: breakOff,
      error: breakOff,
    },
  });

  return {
    send: (request, done) => {
      pending = { reader: createAnswerReader(), done, firstAt: undefined, reads: 0 };
      if (!isOpen) return finish(false);
      unsent = request;
      flush(socket);
    },
    isOpen: () => isOpen,
    close: () => {
      isOpen = false;
      socket.end();
    },
  };
};
