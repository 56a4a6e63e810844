import type { Socket } from "bun";
import { health, type Parts, partsOf, refusal } from "./engine-bytes.ts";
import { createEngineStreams } from "./engine-streams.ts";
import { type HeldWorkload, heldWorkloads } from "./held-workloads.ts";
import { openMonotonicClock } from "./monotonic.ts";
import { isBodyOf, withoutUser, type Workload, workloads } from "./workloads.ts";

// An engine that costs next to nothing: raw sockets and canned bytes, so that what is measured is the contender.
// Its arguments are the ports of 127.0.0.1 to listen on. It answers 400 to a request whose body or authorization
// did not arrive as it was sent; a JSON body may have been written anew and have fields added, as some routers do.

interface Connection {
  received: Buffer;
}

type Respond = (socket: Socket<Connection>) => void;

const HEAD_END = "\r\n\r\n";
/** Rewritten bodies that are remembered: enough for all users. */
const MAX_FORMS = 256;

let clock: (() => number) | undefined;

const { play, hold, forget } = createEngineStreams<Socket<Connection>>(heldWorkloads, {
  // Opened where it is needed: the rest of the engine runs on any system.
  nanos: () => (clock ??= openMonotonicClock())(),
  // Answers fit into a socket's buffer many times over: whoever leaves so much unread is not fit to be measured.
  write: (socket, bytes) => {
    if (socket.write(bytes) !== bytes.length) socket.terminate();
  },
});

const playing =
  (parts: Parts): Respond =>
  (socket) =>
    play(socket, parts);
const refuse = playing(refusal);
const beWell = playing(health);

interface Known {
  readonly request: Pick<Workload, "body" | "variesAt">;
  readonly respond: Respond;
}

const knownOf = (workload: Workload): readonly Known[] => {
  const plain = { request: workload, respond: playing(partsOf(workload.answer)) };
  const { withUsage } = workload;
  return withUsage ? [plain, { request: withUsage, respond: playing(partsOf(withUsage.answer)) }] : [plain];
};

const knownOfHeld = (workload: HeldWorkload): readonly Known[] =>
  [workload.body, workload.bodyWithUsage].map((body) => ({
    request: { body },
    respond: (socket) => hold(socket, workload),
  }));

/** Every known request. The form of a workload that has more fields stands behind the other. */
const known = [...workloads.flatMap(knownOf), ...heldWorkloads.flatMap(knownOfHeld)];

const fieldsOf = (body: Buffer): object => JSON.parse(withoutUser(body.toString())) as object;

const rewritten = new Map<string, Respond>();

/** A router writes the same request anew in the same way: each form is parsed once. */
const responseToRewritten = (body: Buffer): Respond => {
  const text = body.toString("latin1");
  let respond = rewritten.get(text);
  if (respond) return respond;
  try {
    const given = fieldsOf(body);
    respond =
      known.findLast(({ request }) => Bun.deepMatch(fieldsOf(request.body), given))?.respond ?? refuse;
  } catch {
    respond = refuse;
  }
  if (rewritten.size < MAX_FORMS) rewritten.set(text, respond);
  return respond;
};

const responseTo = (fields: string, body: Buffer): Respond => {
  if (fields.startsWith("get ")) return beWell;
  if (!fields.includes("\r\nauthorization: bearer ")) return refuse;
  return known.find(({ request }) => isBodyOf(request, body))?.respond ?? responseToRewritten(body);
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
    responseTo(fields, rest.subarray(bodyStart, bodyEnd))(socket);
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
