import { connect, type Socket } from "node:net";

/** A client that sends bytes as they are and shows bytes as they come. */
export interface RawClient extends Disposable {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  readonly text: () => string;
  /** Resolves when the text matches. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Resolves with everything when the peer has closed. */
  readonly closed: () => Promise<string>;
}

/** Connects and sends. */
export const sendRaw = (port: number, bytes: string | Uint8Array): RawClient => {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  let waiting: { readonly pattern: RegExp; readonly resolve: (text: string) => void }[] = [];
  const { promise: end, resolve: finish } = Promise.withResolvers<string>();
  socket.on("data", (data) => {
    received += Buffer.from(data).toString("latin1");
    waiting = waiting.filter(({ pattern, resolve }) => {
      if (!pattern.test(received)) return true;
      resolve(received);
      return false;
    });
  });
  socket.on("error", () => {});
  socket.on("close", () => finish(received));
  socket.write(bytes);
  return {
    socket,
    text: () => received,
    until: async (pattern) => {
      if (pattern.test(received)) return received;
      const { promise, resolve } = Promise.withResolvers<string>();
      waiting.push({ pattern, resolve });
      return promise;
    },
    closed: async () => end,
    [Symbol.dispose]: () => {
      socket.destroy();
    },
  };
};

/** A POST with a JSON body, as raw bytes. */
export const rawPost = (path: string, body: string, headers: readonly string[] = []): string =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: router",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    "",
    body,
  ].join("\r\n");
