import { createServer, type Socket } from "node:net";

/** One request as its bytes came. */
export interface RawRequest {
  /** Request line and header lines, in the case and order in which they were sent. */
  readonly head: string;
  readonly body: Buffer;
  /** How many requests this connection has carried, this one included. */
  readonly onConnection: number;
}

/** An engine whose answers are raw bytes. */
export interface RawEngine extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RawRequest[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Resolves when the peer has closed its nth connection (from 0), with the monotonic time of it. */
  readonly closed: (nth?: number) => Promise<number>;
  /** Resolves when so many requests have come. */
  readonly received: (count: number) => Promise<void>;
}

const contentLength = (head: string): number => Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);

/** Listens on a free port and hands every complete request to `answer`, which owns the socket. */
export const startRawEngine = async (
  answer: (socket: Socket, request: RawRequest) => void,
): Promise<RawEngine> => {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  const closings: PromiseWithResolvers<number>[] = [];
  const closing = (nth: number) => (closings[nth] ??= Promise.withResolvers<number>());
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  let accepted = 0;

  const server = createServer((socket) => {
    const nth = accepted;
    accepted += 1;
    sockets.add(socket);
    let buffered = Buffer.alloc(0);
    let onConnection = 0;
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      closing(nth).resolve(performance.now());
    });
    socket.on("data", (data) => {
      buffered = Buffer.concat([buffered, Buffer.from(data)]);
      for (;;) {
        const headEnd = buffered.indexOf("\r\n\r\n");
        if (headEnd < 0) return;
        const head = buffered.toString("latin1", 0, headEnd);
        const end = headEnd + 4 + contentLength(head);
        if (buffered.length < end) return;
        onConnection += 1;
        const request = { head, body: Buffer.from(buffered.subarray(headEnd + 4, end)), onConnection };
        buffered = Buffer.from(buffered.subarray(end));
        requests.push(request);
        for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
        waiting = waiting.filter(({ count }) => requests.length < count);
        answer(socket, request);
      }
    });
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    connections: () => accepted,
    closed: async (nth = 0) => closing(nth).promise,
    received: async (count) => {
      if (requests.length >= count) return;
      const { promise, resolve: arrive } = Promise.withResolvers<void>();
      waiting.push({ count, resolve: arrive });
      await promise;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const { promise, resolve: done } = Promise.withResolvers<void>();
      server.close(() => done());
      await promise;
    },
  };
};

/** A complete answer with a Content-Length. */
export const rawAnswer = (
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  status = "200 OK",
): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 ${status}\r\n${Object.entries({ "content-type": "application/json", ...headers })
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);

/** One chunk of a chunked body. */
export const rawChunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

/** The head of a chunked event stream, as vLLM's uvicorn sends it. */
export const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
