import type { TCPSocketListener, TCPSocketListenOptions } from "bun";
import type { Clock } from "../core/clock.ts";
import {
  createRequestParser,
  MalformedRequest,
  type HttpRequest,
  type RequestParser,
} from "./http-message.ts";
import { createHttpReply, type HttpReply } from "./http-reply.ts";
import { createOutbox, createTurnEnd, type Outbox } from "./outbox.ts";
import { send, type Reply } from "./reply.ts";

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
  readonly outbox: Outbox;
  readonly queue: HttpRequest[];
  readonly end: () => void;
  reply: HttpReply | undefined;
  idleSinceMs: number;
}

/** What stands for a request that could not be read. */
const unreadable: HttpRequest = {
  method: "",
  target: "",
  path: "",
  version: "HTTP/1.0",
  headers: [],
  body: Buffer.alloc(0),
};

/** The current date as HTTP writes it, formatted once a second. */
const createDate = (clock: Clock): (() => string) => {
  let second = -1;
  let text = "";
  return () => {
    const now = Math.floor(clock.now() / 1000);
    if (now !== second) text = new Date(now * 1000).toUTCString();
    second = now;
    return text;
  };
};

const listen = (options: TCPSocketListenOptions<Connection>): TCPSocketListener<Connection> => {
  try {
    return Bun.listen(options);
  } catch (cause) {
    // The message of the runtime names neither the port nor the reason.
    const reason = (cause as NodeJS.ErrnoException).code ?? "no such address";
    throw new Error(`cannot listen on ${options.hostname}:${options.port}: ${reason}`, { cause });
  }
};

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
  const atTurnEnd = createTurnEnd();
  const date = createDate(clock);

  const reply = (connection: Connection, request: HttpRequest): HttpReply => {
    const onDone = (): void => {
      connection.reply = undefined;
      connection.idleSinceMs = clock.monotonic();
      serveNext(connection);
    };
    connection.reply = createHttpReply(request, connection.outbox, { date, onDone });
    return connection.reply;
  };

  const serveNext = (connection: Connection): void => {
    if (connection.reply || connection.outbox.isClosing() || !connections.has(connection)) return;
    const request = connection.queue.shift();
    if (request) handler(request, reply(connection, request));
  };

  const receive = (connection: Connection, bytes: Buffer): void => {
    try {
      connection.queue.push(...connection.parser.push(bytes));
    } catch (error) {
      if (!(error instanceof MalformedRequest)) throw error;
      if (connection.reply) return connection.reply.abort("fin");
      const text = "Invalid HTTP request received.";
      return send(reply(connection, unreadable), 400, "text/plain; charset=utf-8", text);
    }
    if (connection.parser.takeExpectation()) connection.outbox.push("HTTP/1.1 100 Continue\r\n\r\n");
    serveNext(connection);
  };

  const listener = listen({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open: (socket) => {
        const connection: Connection = {
          parser: createRequestParser(),
          outbox: createOutbox(socket, atTurnEnd),
          queue: [],
          end: () => socket.end(),
          reply: undefined,
          idleSinceMs: clock.monotonic(),
        };
        socket.data = connection;
        socket.setNoDelay(true);
        connections.add(connection);
      },
      data: (socket, bytes) => receive(socket.data, bytes),
      drain: (socket) => socket.data.outbox.drain(),
      close: (socket) => {
        connections.delete(socket.data);
        socket.data.reply?.abandon();
      },
      // Nothing but a defect of the engine throws in these handlers.
      error: (_socket, error) => {
        throw error;
      },
    },
  });

  const sweepMs = Math.min(1000, Math.max(20, options.keepAliveMs / 4));
  const sweep = (): void => {
    const oldest = clock.monotonic() - options.keepAliveMs;
    for (const connection of connections) {
      const isIdle = !connection.reply && connection.outbox.waitingBytes() === 0;
      if (isIdle && connection.idleSinceMs < oldest) connection.end();
    }
    sweeper = clock.after(sweepMs, sweep);
  };
  let sweeper = clock.after(sweepMs, sweep);

  return {
    port: listener.port,
    connections: () => connections.size,
    bufferedBytes: () => {
      let bytes = 0;
      for (const { outbox } of connections) bytes += outbox.waitingBytes();
      return bytes;
    },
    [Symbol.dispose]: () => {
      sweeper[Symbol.dispose]();
      listener.stop(true);
    },
  };
};
