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
  /** Sends what it can; to be called when the socket has room again. */
  readonly flush: () => void;
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
  const backlog: Uint8Array[] = [];
  let text = "";
  let isClosing = false;

  const flush = (): void => {
    if (text !== "") {
      const sent = backlog.length > 0 ? 0 : socket.write(text);
      if (sent >= 0 && sent < Buffer.byteLength(text)) backlog.push(Buffer.from(text).subarray(sent));
      text = "";
    }
    for (let first = backlog[0]; first; first = backlog[0]) {
      const sent = socket.write(first);
      if (sent >= 0 && sent < first.length) {
        backlog[0] = first.subarray(sent);
        return;
      }
      if (sent < 0) backlog.length = 0;
      else backlog.shift();
    }
    if (isClosing) socket.end();
  };

  return {
    push: (data) => {
      if (typeof data === "string") {
        if (text === "") atTurnEnd(flush);
        text += data;
        return;
      }
      flush();
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
    flush,
    waitingBytes: () => backlog.reduce((bytes, { length }) => bytes + length, 0),
  };
};
