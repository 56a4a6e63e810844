import type { WriteLine } from "./log.ts";

/** Bytes held for a slow reader; lines beyond that are dropped and counted. */
const MAX_PENDING = 4 * 1024 * 1024;

interface Sink {
  /** Writes all of the text in the background; rejects when the reader is gone. */
  readonly write: (text: string) => Promise<void>;
}

/** Writes lines without ever making the caller wait. */
export interface LineWriter {
  readonly write: WriteLine;
  /** Lines dropped because a reader was slow or gone. */
  readonly dropped: () => number;
  /** Resolves when everything accepted so far is written, or its reader is gone or too slow to wait for. */
  readonly flush: () => Promise<void>;
}

interface Stream {
  pending: string[];
  pendingLength: number;
  writing: Promise<void> | undefined;
}

/**
 * One write is under way for each stream; the lines that come meanwhile leave together in the next one. The
 * first write waits for `gather`, so that a burst of lines is one write.
 */
export const createLineWriter = (
  sinks: Readonly<Record<"stdout" | "stderr", Sink>>,
  gather: () => Promise<void> = async () => {},
): LineWriter => {
  let dropped = 0;
  const streams: Record<"stdout" | "stderr", Stream> = {
    stdout: { pending: [], pendingLength: 0, writing: undefined },
    stderr: { pending: [], pendingLength: 0, writing: undefined },
  };

  const drain = async (stream: Stream, sink: Sink): Promise<void> => {
    await gather();
    while (stream.pending.length > 0) {
      const lines = stream.pending;
      stream.pending = [];
      stream.pendingLength = 0;
      try {
        await sink.write(lines.join(""));
      } catch {
        // Nobody reads: serving goes on, the loss is counted.
        dropped += lines.length;
      }
    }
    stream.writing = undefined;
  };

  return {
    write: (name, line) => {
      const stream = streams[name];
      if (stream.pendingLength + line.length > MAX_PENDING) {
        dropped += 1;
        return;
      }
      stream.pending.push(line);
      stream.pendingLength += line.length;
      stream.writing ??= drain(stream, sinks[name]);
    },
    dropped: () => dropped,
    flush: async () => {
      await Promise.all([streams.stdout.writing, streams.stderr.writing]);
    },
  };
};
