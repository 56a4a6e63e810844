import type { Clock } from "../core/clock.ts";
import type { Descriptors } from "../core/descriptors.ts";
import type { Log } from "../core/log.ts";

type Server = Pick<Bun.Server<undefined>, "stop" | "pendingRequests" | "url" | "port">;

/** A server that stops to accept while descriptors run out. */
export interface Listener extends Pick<Server, "stop" | "pendingRequests"> {
  /** Where it listens, such as `http://127.0.0.1:8001`. */
  readonly origin: string;
}

interface ListenerDeps {
  /** Listens on a port, or throws. */
  readonly listen: (port: number) => Server;
  readonly descriptors?: Descriptors | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const LOOK_MS = 250;
/** Shares of the limit from which no further connection is accepted, and below which they are again. */
const FULL_SHARE = 0.8;
const FREE_SHARE = 0.7;
/** Time between two warnings of the same. */
const WARNING_MS = 60_000;

/** Requests that may be under way: each takes two descriptors, its client's and its engine's. */
export const mostRequests = ({ limit }: Pick<Descriptors, "limit">): number =>
  Math.floor((limit * FULL_SHARE) / 2);

/**
 * Listens on a port; throws where it cannot. At the limit the runtime would try to accept without end and use up a
 * processor, and the router could not reach its engines. So before that the port is closed, with the connections
 * that carry no request, and opened again when there is room.
 */
export const createListener = (port: number, { listen, descriptors, clock, log }: ListenerDeps): Listener => {
  let current: Server | undefined = listen(port);
  const { origin } = current.url;
  // Where any free one was asked for, it is the same one from now on.
  const taken = current.port ?? port;
  const servers = new Set([current]);
  let warnedAt = Number.NEGATIVE_INFINITY;
  let timer: Disposable | undefined;

  const close = (server: Server, limit: number): void => {
    current = undefined;
    // Its requests go on; nobody else would forget it.
    void server.stop().then(() => servers.delete(server));
    if (clock.monotonic() - warnedAt < WARNING_MS) return;
    warnedAt = clock.monotonic();
    log.warning(`No connections are accepted for now: most of the ${limit} files that may be open are`);
  };
  const open = (): void => {
    try {
      current = listen(taken);
      servers.add(current);
    } catch (error) {
      log.debug(`The port cannot be opened again yet: ${String(error)}`);
    }
  };
  const look = ({ limit, next }: Descriptors): void => {
    const share = next() / limit;
    if (current && share >= FULL_SHARE) close(current, limit);
    else if (!current && share < FREE_SHARE) open();
    timer = clock.after(LOOK_MS, () => look({ limit, next }));
  };
  if (descriptors) look(descriptors);

  return {
    origin,
    get pendingRequests() {
      let sum = 0;
      for (const { pendingRequests } of servers) sum += pendingRequests;
      return sum;
    },
    stop: async (closesActive) => {
      timer?.[Symbol.dispose]();
      await Promise.all(servers.values().map(async (each) => each.stop(closesActive)));
    },
  };
};
