import { answerBody, type CannedAnswer, streamType } from "./workloads.ts";

/** An answer as it goes over a connection: the first part at once, each further one at a tick. */
export type Parts = readonly [Buffer, ...Buffer[]];

/** A status line and fields. */
const head = (status: string, fields: Readonly<Record<string, string | number>>): Buffer =>
  Buffer.from(
    `HTTP/1.1 ${status}\r\n${Object.entries({ server: "uvicorn", ...fields })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
  );

/** A piece of a body as a chunk (RFC 9112 section 7.1). */
export const chunk = (piece: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);

/** An answer, framed by its length where it has one piece and by chunks where it has more. */
export const partsOf = (answer: CannedAnswer): Parts => {
  const { contentType, pieces } = answer;
  if (pieces.length === 1) {
    const body = answerBody(answer);
    const fields = { "content-type": contentType, "content-length": body.length };
    return [Buffer.concat([head("200 OK", fields), body])];
  }
  const fields = { "content-type": contentType, "transfer-encoding": "chunked" };
  const [first = Buffer.alloc(0), ...rest] = pieces.map((piece) => chunk(piece));
  const last = Buffer.concat([rest.pop() ?? Buffer.alloc(0), Buffer.from("0\r\n\r\n")]);
  return [Buffer.concat([head("200 OK", fields), first]), ...rest, last];
};

/** Before the first chunk of a stream. */
export const streamHead = head("200 OK", { "content-type": streamType, "transfer-encoding": "chunked" });

/** The answer to what did not arrive as it was sent. */
export const refusal: Parts = [head("400 Bad Request", { "content-length": 0 })];

/** What routers ask of an engine before they send it anything. */
export const health: Parts = [
  Buffer.concat([
    head("200 OK", { "content-type": "application/json", "content-length": 2 }),
    Buffer.from("{}"),
  ]),
];
