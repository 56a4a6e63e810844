import type { Socket } from "bun";
import { answerBody, type CannedAnswer, isBodyOf, withoutUser, workloads } from "./workloads.ts";

// An engine that costs next to nothing: raw sockets and canned bytes, so that what is measured is the contender.
// Its arguments are the ports of 127.0.0.1 to listen on. It answers 400 to a request whose body or authorization
// did not arrive as it was sent; a JSON body may have been written anew and have fields added, as some routers do.

/** An answer as it goes over a connection: the first part at once, each further one at a tick. */
type Parts = readonly [Buffer, ...Buffer[]];

interface Connection {
  received: Buffer;
}

const TICK_MS = 1;
const HEAD_END = "\r\n\r\n";
/** Rewritten bodies that are remembered: enough for all users. */
const MAX_FORMS = 256;

const head = (status: string, fields: Readonly<Record<string, string | number>>): string =>
  `HTTP/1.1 ${status}\r\n${Object.entries({ server: "uvicorn", ...fields })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`;

const chunk = (piece: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);

const partsOf = (answer: CannedAnswer): Parts => {
  const { contentType, pieces } = answer;
  if (pieces.length === 1) {
    const body = answerBody(answer);
    const fields = { "content-type": contentType, "content-length": body.length };
    return [Buffer.concat([Buffer.from(head("200 OK", fields)), body])];
  }
  const fields = { "content-type": contentType, "transfer-encoding": "chunked" };
  const [first = Buffer.alloc(0), ...rest] = pieces.map((piece) => chunk(piece));
  const last = Buffer.concat([rest.pop() ?? Buffer.alloc(0), Buffer.from("0\r\n\r\n")]);
  return [Buffer.concat([Buffer.from(head("200 OK", fields)), first]), ...rest, last];
};

const canned = workloads
  .flatMap((workload) =>
    workload.withUsage ? [workload, { ...workload, ...workload.withUsage }] : [workload],
  )
  .map((workload) => ({ workload, parts: partsOf(workload.answer) }));
const refusal: Parts = [Buffer.from(head("400 Bad Request", { "content-length": 0 }))];

/** What routers ask of an engine before they send it anything. */
const health: Parts = [
  Buffer.concat([
    Buffer.from(head("200 OK", { "content-type": "application/json", "content-length": 2 })),
    Buffer.from("{}"),
  ]),
];

const fieldsOf = (body: Buffer): object => JSON.parse(withoutUser(body.toString())) as object;

const rewritten = new Map<string, Parts>();

/** A router writes the same request anew in the same way: each form is parsed once. */
const partsForRewritten = (body: Buffer): Parts => {
  const text = body.toString("latin1");
  let parts = rewritten.get(text);
  if (parts) return parts;
  try {
    const given = fieldsOf(body);
    // The form of a workload that has more fields stands behind the other.
    parts =
      canned.findLast((candidate) => Bun.deepMatch(fieldsOf(candidate.workload.body), given))?.parts ??
      refusal;
  } catch {
    parts = refusal;
  }
  if (rewritten.size < MAX_FORMS) rewritten.set(text, parts);
  return parts;
};

const partsFor = (fields: string, body: Buffer): Parts => {
  if (fields.startsWith("get ")) return health;
  if (!fields.includes("\r\nauthorization: bearer ")) return refusal;
  return canned.find(({ workload }) => isBodyOf(workload, body))?.parts ?? partsForRewritten(body);
};

interface Stream {
  readonly socket: Socket<Connection>;
  readonly parts: Parts;
  sent: number;
}

const streams = new Set<Stream>();
let ticking: Timer | undefined;

const write = (socket: Socket<Connection>, bytes: Buffer): void => {
  // Answers fit into a socket's buffer many times over: whoever leaves so much unread is not fit to be measured.
  if (socket.write(bytes) !== bytes.length) socket.terminate();
};

const tick = (): void => {
  for (const stream of streams) {
    const part = stream.parts[stream.sent];
    if (part) write(stream.socket, part);
    stream.sent += 1;
    if (stream.sent >= stream.parts.length) streams.delete(stream);
  }
  if (streams.size === 0) {
    clearInterval(ticking);
    ticking = undefined;
  }
};

const respond = (socket: Socket<Connection>, parts: Parts): void => {
  write(socket, parts[0]);
  if (parts.length === 1) return;
  streams.add({ socket, parts, sent: 1 });
  ticking ??= setInterval(tick, TICK_MS);
};

const forget = (socket: Socket<Connection>): void => {
  for (const stream of streams) if (stream.socket === socket) streams.delete(stream);
};

/** Answers every whole request that has been received. */
const receive = (socket: Socket<Connection>, bytes: Buffer): void => {
  const connection = socket.data;
  let rest = connection.received.length === 0 ? bytes : Buffer.concat([connection.received, bytes]);
  for (;;) {
    const headEnd = rest.indexOf(HEAD_END);
    if (headEnd < 0) break;
    const fields = rest.toString("latin1", 0, headEnd).toLowerCase();
    const bodyStart = headEnd + HEAD_END.length;
    const bodyEnd = bodyStart + Number(/\r\ncontent-length: *(\d+)/.exec(fields)?.[1] ?? 0);
    if (rest.length < bodyEnd) break;
    respond(socket, partsFor(fields, rest.subarray(bodyStart, bodyEnd)));
    rest = rest.subarray(bodyEnd);
  }
  connection.received = Buffer.from(rest);
};

for (const port of process.argv.slice(2)) {
  Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      open: (socket) => {
        socket.data = { received: Buffer.alloc(0) };
        socket.setNoDelay(true);
      },
      data: receive,
      close: forget,
      error: (socket) => forget(socket),
    },
  });
}
