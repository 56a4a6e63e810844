import type { Bytes } from "./core/answer.ts";
import type { Dial, WireEvents } from "./core/dial.ts";

/** A connection whose user is known once it is made. */
interface Link {
  readonly eventsOf: Parameters<Dial>[2];
  events?: WireEvents;
}

/** An idle connection whose other end has vanished is found out after so long. */
const KEEP_ALIVE_MS = 60_000;

const handlers: Bun.SocketHandler<Link> = {
  // A Buffer takes longer to make and to cut.
  binaryType: "uint8array",
  open: (socket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.data.events = socket.data.eventsOf(socket);
  },
  data: ({ data }, bytes) => data.events?.data(bytes as Bytes),
  drain: ({ data }) => data.events?.drain(),
  timeout: (socket) => void socket.end(),
  close: ({ data }) => data.events?.close(),
  // Why it was lost does not matter: that it was comes after it.
  error: (socket) => socket.terminate(),
};

/** The only place that makes connections for requests. */
export const dial: Dial = async (hostname, port, eventsOf) => {
  await Bun.connect<Link>({ hostname, port, data: { eventsOf }, socket: handlers });
};
