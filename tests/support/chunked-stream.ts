import { connect } from "node:net";

/** An HTTP answer as its bytes came over a connection of its own. */
export interface StreamedAnswer {
  readonly status: number;
  /** The body without its framing. */
  readonly body: string;
  /** False when the connection ended before the last chunk. */
  readonly isWhole: boolean;
}

/** Takes the framing off a chunked body (RFC 9112 section 7.1). */
export const dechunk = (bytes: Buffer): Pick<StreamedAnswer, "body" | "isWhole"> => {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const start = lineEnd + 2;
    const isLast = size === 0 && bytes.toString("latin1", start) === "\r\n";
    if (!(size > 0) || start + size + 2 > bytes.length)
      return { body: Buffer.concat(parts).toString(), isWhole: isLast };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
};

const TERMINATOR = Buffer.from("\r\n0\r\n\r\n");

/**
 * Sends one raw request and reads its chunked answer. A socket and not `fetch`, which would hold back all but
 * 256 requests of this process.
 */
export const readStream = async (port: number, request: string): Promise<StreamedAnswer> => {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = connect(port, "127.0.0.1");
  const received: Buffer[] = [];
  // A connection that is reset is closed next: what came until then was the answer.
  socket.on("error", () => {});
  socket.on("close", () => resolve(Buffer.concat(received)));
  socket.on("data", (data) => {
    const bytes = Buffer.from(data);
    received.push(bytes);
    if (Buffer.concat(received.slice(-2)).subarray(-TERMINATOR.length).equals(TERMINATOR)) socket.end();
  });
  socket.write(request);
  const answer = await promise;
  const headEnd = answer.indexOf("\r\n\r\n");
  const status = Number(answer.toString("latin1", 0, headEnd).split(" ")[1]);
  return { status, ...dechunk(answer.subarray(headEnd + 4)) };
};
