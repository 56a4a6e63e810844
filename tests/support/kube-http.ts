import { createServer, type TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";

/** One request, whole. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Subject of the client's certificate, if it has one of our authority. */
  readonly subject: { readonly CN?: string; readonly O?: string | readonly string[] } | undefined;
}

/** The way to the client; one answer for each request. */
export interface HttpReply {
  /** A body over 2 KiB goes out in chunks, one over 128 KiB compressed where that is wanted, as the API server does. */
  readonly send: (status: number, body: string, headers?: Readonly<Record<string, string>>) => void;
  /** Begins an answer without an end. */
  readonly open: () => HttpStream;
}

/** An answer that goes on. */
export interface HttpStream {
  readonly write: (text: string) => void;
  readonly end: () => void;
  /** Ends the connection where it stands. */
  readonly cut: (how: "fin" | "rst") => void;
  readonly onClose: (task: () => void) => Disposable;
}

/** A server of TLS with client certificates that may be on and off. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  readonly connections: () => number;
  /** Connections accepted so far. */
  readonly accepted: () => number;
  /** Neither listens nor holds any connection, until it is started again. */
  readonly die: () => Promise<void>;
  /** Listens again, on the same port. */
  readonly start: () => Promise<void>;
}

const CHUNKED_ABOVE = 2048;
const GZIP_ABOVE = 128 * 1024;

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  415: "Unsupported Media Type",
  422: "Unprocessable Entity",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

const chunk = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);

const headOf = (status: number, headers: Readonly<Record<string, string>>): string => {
  const all = {
    "Cache-Control": "no-cache, private",
    "Content-Type": "application/json",
    ...headers,
    Date: new Date().toUTCString(),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${reasons[status] ?? "Unknown"}\r\n${lines.join("\r\n")}\r\n\r\n`;
};

const replyOn = (socket: TLSSocket, request: HttpRequest): HttpReply => ({
  send: (status, body, headers = {}) => {
    const wantsGzip = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
    const isZipped = wantsGzip && Buffer.byteLength(body) > GZIP_ABOVE;
    const bytes = isZipped ? gzipSync(body, { level: 1 }) : Buffer.from(body);
    const own = { ...headers, ...(isZipped && { "Content-Encoding": "gzip", Vary: "Accept-Encoding" }) };
    const isChunked = bytes.length > CHUNKED_ABOVE;
    const framing = isChunked
      ? { "Transfer-Encoding": "chunked" }
      : { "Content-Length": String(bytes.length) };
    const payload = isChunked ? Buffer.concat([chunk(bytes), Buffer.from("0\r\n\r\n")]) : bytes;
    socket.write(Buffer.concat([Buffer.from(headOf(status, { ...own, ...framing })), payload]));
  },
  open: () => {
    socket.write(headOf(200, { "Transfer-Encoding": "chunked" }));
    return {
      write: (text) => void socket.write(chunk(Buffer.from(text))),
      end: () => void socket.write("0\r\n\r\n"),
      cut: (how) => {
        if (how === "rst") socket.resetAndDestroy();
        else socket.end();
      },
      onClose: (task) => {
        socket.once("close", task);
        return { [Symbol.dispose]: () => void socket.off("close", task) };
      },
    };
  },
});

const parseHead = (head: string) => {
  const [start = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const { pathname, searchParams } = new URL(target, "https://kubernetes");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { method, path: pathname, query: searchParams, headers };
};

interface HttpOptions {
  readonly cert: string;
  readonly key: string;
  /** The authority of client certificates. */
  readonly ca: string;
}

/** Listens on a free port of 127.0.0.1. */
export const startHttpServer = async (
  { cert, key, ca }: HttpOptions,
  answer: (request: HttpRequest, reply: HttpReply) => void,
): Promise<HttpServer> => {
  const sockets = new Set<TLSSocket>();
  let port = 0;
  let accepted = 0;

  const take = (socket: TLSSocket): void => {
    accepted += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    const peer = socket.authorized ? socket.getPeerCertificate() : undefined;
    const subject = peer?.subject as HttpRequest["subject"];
    let buffered = Buffer.alloc(0);
    socket.on("data", (data: Buffer) => {
      buffered = Buffer.concat([buffered, data]);
      for (;;) {
        const headEnd = buffered.indexOf("\r\n\r\n");
        if (headEnd < 0) return;
        const head = parseHead(buffered.toString("latin1", 0, headEnd));
        const end = headEnd + 4 + Number(head.headers["content-length"] ?? 0);
        if (buffered.length < end) return;
        const request = { ...head, body: buffered.toString("utf8", headEnd + 4, end), subject };
        buffered = Buffer.from(buffered.subarray(end));
        answer(request, replyOn(socket, request));
      }
    });
  };

  const create = () => createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, take);
  let server: ReturnType<typeof create> | undefined;

  const start = async (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server = create();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  };

  const die = async (): Promise<void> => {
    const dying = server;
    server = undefined;
    if (!dying) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    dying.close(() => resolve());
    for (const socket of sockets) socket.destroy();
    await promise;
  };

  await start();
  return {
    port,
    connections: () => sockets.size,
    accepted: () => accepted,
    die,
    start,
    [Symbol.asyncDispose]: die,
  };
};
