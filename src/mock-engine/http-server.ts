import type { Socket } from "bun";
import type { Clock } from "../core/clock.ts";
import {
  createRequestParser,
  headerOf,
  MalformedRequest,
  type HttpRequest,
  type RequestParser,
} from "./http-message.ts";
import { send, type Ending, type Reply, type ReplyHead } from "./reply.ts";

/** Answers one request; requests of one connection come one after the other. */
export type HttpHandler = (request: HttpRequest, reply: Reply) => void;

/** Where to listen, and for how long an idle connection is kept. */
export interface HttpServerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly keepAliveMs: number;
}

/** A listening server; disposing it closes every connection. */
export interface HttpServer extends Disposable {
  readonly port: number;
  readonly connections: () => number;
  /** Bytes of answers that clients have not taken yet. */
  readonly bufferedBytes: () => number;
}

interface Connection {
  readonly parser: RequestParser;
  readonly queue: HttpRequest[];
  socket: Socket<Connection>;
  reply: { readonly abandon: () => void } | undefined;
  /** Text of this turn, sent by one call at its end. */
  out: string;
  /** What the kernel did not take. */
  readonly backlog: Buffer[];
  closing: boolean;
  closed: boolean;
  idleSince: number;
}

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

const sweepMs = 1000;

/**
 * An HTTP/1.1 server on plain sockets. Unlike `Bun.serve` it shows requests exactly as they came, and its
 * answers can break in every way in which a real engine's can.
 */
export const createHttpServer = (
  options: HttpServerOptions,
  deps: { readonly clock: Clock; readonly handler: HttpHandler },
): HttpServer => {
  const { clock, handler } = deps;
  const connections = new Set<Connection>();
  let dirty: Connection[] = [];
  let dateSecond = -1;
  let dateText = "";

  const date = (): string => {
    const second = Math.floor(clock.now() / 1000);
    if (second !== dateSecond) {
      dateSecond = second;
      dateText = new Date(second * 1000).toUTCString();
    }
    return dateText;
  };

  const flush = (connection: Connection): void => {
    const { socket, backlog } = connection;
    if (connection.out !== "" && !connection.closed) {
      const text = connection.out;
      connection.out = "";
      const sent = backlog.length > 0 ? 0 : socket.write(text);
      if (sent >= 0 && sent < Buffer.byteLength(text)) backlog.push(Buffer.from(text).subarray(sent));
    }
    for (let first = backlog[0]; first && !connection.closed; first = backlog[0]) {
      const sent = socket.write(first);
      if (sent < 0) backlog.length = 0;
      else if (sent < first.length) {
        backlog[0] = first.subarray(sent);
        return;
      } else backlog.shift();
    }
    if (connection.closing) socket.end();
  };

  const flushDirty = (): void => {
    const turn = dirty;
    dirty = [];
    for (const connection of turn) flush(connection);
  };

  const markDirty = (connection: Connection): void => {
    // One turn of the engine writes to many connections; each gets one system call at the end of it.
    if (dirty.length === 0) queueMicrotask(flushDirty);
    dirty.push(connection);
  };

  const output = (connection: Connection, data: string | Uint8Array): void => {
    if (connection.closed) return;
    if (typeof data === "string") {
      if (connection.out === "") markDirty(connection);
      connection.out += data;
      return;
    }
    flush(connection);
    connection.backlog.push(Buffer.from(data));
    flush(connection);
  };

  const close = (connection: Connection, ending: Ending): void => {
    if (ending === "reset") {
      flush(connection);
      connection.socket.terminate();
      return;
    }
    connection.closing = true;
    markDirty(connection);
  };

  const createReply = (connection: Connection, request: HttpRequest): Reply => {
    const wantsClose =
      request.version === "HTTP/1.0" || headerOf(request, "connection")?.toLowerCase() === "close";
    const hasBody = request.method !== "HEAD";
    let chunked = false;
    let tasks: (() => void)[] = [];

    const settle = (): boolean => {
      if (connection.reply !== state) return false;
      connection.reply = undefined;
      connection.idleSince = clock.monotonic();
      return true;
    };
    const state = {
      abandon: (): void => {
        if (!settle()) return;
        for (const task of tasks) task();
        tasks = [];
      },
    };
    connection.reply = state;

    return {
      head: (status, head) => {
        chunked = head.length === undefined;
        output(
          connection,
          headText(status, head, date()) + (wantsClose ? "connection: close\r\n\r\n" : "\r\n"),
        );
      },
      write: (data) => {
        if (!hasBody || connection.reply !== state) return;
        if (!chunked) return output(connection, data);
        output(connection, `${Buffer.byteLength(data).toString(16)}\r\n`);
        output(connection, data);
        output(connection, "\r\n");
      },
      end: () => {
        if (chunked && hasBody && connection.reply === state) output(connection, "0\r\n\r\n");
        if (!settle()) return;
        if (wantsClose) close(connection, "fin");
        else serveNext(connection);
      },
      abort: (ending, raw) => {
        if (raw !== undefined) output(connection, raw);
        state.abandon();
        close(connection, ending);
      },
      onAbandoned: (task) => {
        if (connection.reply === state) tasks.push(task);
        else task();
      },
    };
  };

  const serveNext = (connection: Connection): void => {
    if (connection.reply || connection.closing || connection.closed) return;
    const request = connection.queue.shift();
    if (request) handler(request, createReply(connection, request));
  };

  const refuse = (connection: Connection): void => {
    const request: HttpRequest = {
      method: "",
      target: "",
      path: "",
      version: "HTTP/1.0",
      headers: [],
      body: Buffer.alloc(0),
    };
    send(
      createReply(connection, request),
      400,
      "text/plain; charset=utf-8",
      "Invalid HTTP request received.",
    );
  };

  const listener = Bun.listen<Connection>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open: (socket) => {
        const connection: Connection = {
          parser: createRequestParser(),
          queue: [],
          socket,
          reply: undefined,
          out: "",
          backlog: [],
          closing: false,
          closed: false,
          idleSince: clock.monotonic(),
        };
        socket.data = connection;
        socket.setNoDelay(true);
        connections.add(connection);
      },
      data: (socket, bytes) => {
        const connection = socket.data;
        try {
          connection.queue.push(...connection.parser.push(bytes));
        } catch (error) {
          if (!(error instanceof MalformedRequest)) throw error;
          return refuse(connection);
        }
        if (connection.parser.takeExpectation()) output(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        serveNext(connection);
      },
      drain: (socket) => flush(socket.data),
      close: (socket) => {
        const connection = socket.data;
        connection.closed = true;
        connections.delete(connection);
        connection.reply?.abandon();
      },
      error: (socket) => socket.terminate(),
    },
  });

  const sweep = (): void => {
    const limit = clock.monotonic() - options.keepAliveMs;
    for (const connection of connections) {
      if (!connection.reply && connection.idleSince < limit) connection.socket.end();
    }
    sweeper = clock.after(sweepMs, sweep);
  };
  let sweeper = clock.after(sweepMs, sweep);

  return {
    port: listener.port,
    connections: () => connections.size,
    bufferedBytes: () => {
      let bytes = 0;
      for (const connection of connections) {
        for (const buffer of connection.backlog) bytes += buffer.length;
      }
      return bytes;
    },
    [Symbol.dispose]: () => {
      sweeper[Symbol.dispose]();
      listener.stop(true);
    },
  };
};

const headText = (status: number, head: ReplyHead, date: string): string => {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\ndate: ${date}\r\nserver: uvicorn\r\n`;
  if (head.length !== undefined) text += `content-length: ${head.length}\r\n`;
  if (head.contentType) text += `content-type: ${head.contentType}\r\n`;
  for (const [name, value] of Object.entries(head.headers ?? {})) text += `${name}: ${value}\r\n`;
  return head.length === undefined ? `${text}transfer-encoding: chunked\r\n` : text;
};
