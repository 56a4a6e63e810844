import type { Workers } from "../workers/workers.ts";
import { startServer } from "./bun-server.ts";
import type { Listener } from "./listener.ts";

interface Address {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** A port that was free a moment ago, for this process alone. Throws where another one listens on it. */
const takePort = async ({ host, port }: Address): Promise<number> => {
  const fetch = async () => new Response(undefined, { status: 503 });
  const server = startServer({ host, port, idleTimeoutSeconds: 1, fetch, onFault: () => {} });
  // It forgets it when it stops.
  const { port: taken = port } = server;
  await server.stop(true);
  return taken;
};

/**
 * Has workers listen; rejects where they cannot. Threads that share a port would share it with another process
 * just as well, so it is held alone first.
 */
export const listenWithWorkers = async (address: Address, workers: Workers): Promise<Listener> => {
  const origin = await workers.start(await takePort(address));
  return {
    origin,
    get pendingRequests() {
      return workers.server.pendingRequests;
    },
    stop: workers.server.stop,
  };
};
