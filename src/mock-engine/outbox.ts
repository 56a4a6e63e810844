import type { Ending } from "./reply.ts";

/** What an outbox needs of a socket. */
export interface OutgoingSocket {
  /** Returns how many bytes were taken; less than 0 when the socket is closed. */
  readonly write: (data: string | Uint8Array) => number;
  readonly end: () => void;
  /** Closes with a reset. */
  readonly terminate: () => void;
}

/** The bytes on their way to one client. */
export interface Outbox {
  readonly push: (data: string | Uint8Array) => void;
  /** Closes the connection, orderly after what was pushed or at once with a reset. */
  readonly close: (ending: Ending) => void;
  readonly isClosing: () => boolean;
  /** Goes on sending; to be called when the socket has room again. */
  readonly drain: () => void;
  /** Bytes that the socket has not taken yet. */
  readonly waitingBytes: () => number;
}

/** Runs tasks once at the end of the current turn, in the order in which they were given. */
export const createTurnEnd = (): ((task: () => void) => void) => {
  let tasks: (() => void)[] = [];
  const runAll = (): void => {
    const turn = tasks;
    tasks = [];
    for (const task of turn) task();
  };
  return (task) => {
    if (tasks.length === 0) queueMicrotask(runAll);
    tasks.push(task);
  };
};

/**
 * An outbox that gathers the text of a turn and hands it to the socket in one call: a step of the engine writes
 * to many connections, and each of them should cost one system call.
 */
export const createOutbox = (socket: OutgoingSocket, atTurnEnd: (task: () => void) => void): Outbox => {
  const backlog: (string | Uint8Array)[] = [];
  let text = "";
  let isFull = false;
  let isClosing = false;

  /** Offers data to the socket; returns what it does not take. */
  const offer = (data: string | Uint8Array): Uint8Array | undefined => {
    const sent = socket.write(data);
    if (sent < 0 || sent === Buffer.byteLength(data)) return undefined;
    return (typeof data === "string" ? Buffer.from(data) : data).subarray(sent);
  };

  const flush = (): void => {
    if (text !== "") {
      backlog.push(text);
      text = "";
    }
    while (!isFull) {
      const [first] = backlog;
      if (first === undefined) break;
      const rest = offer(first);
      isFull = rest !== undefined;
      if (rest) backlog[0] = rest;
      else backlog.shift();
    }
    if (isClosing && backlog.length === 0) socket.end();
  };

  return {
    push: (data) => {
      if (typeof data === "string") {
        const isFirst = text === "";
        text += data;
        if (isFirst) atTurnEnd(flush);
        return;
      }
      flush();
      // A copy: the socket may take it later, when the caller uses its buffer for something else.
      backlog.push(Uint8Array.from(data));
      flush();
    },
    close: (ending) => {
      if (ending === "reset") {
        flush();
        socket.terminate();
        return;
      }
      isClosing = true;
      atTurnEnd(flush);
    },
    isClosing: () => isClosing,
    drain: () => {
      isFull = false;
      flush();
    },
    waitingBytes: () => backlog.reduce((bytes, data) => bytes + Buffer.byteLength(data), 0),
  };
};
