import { type Bagged, createBag } from "../core/bag.ts";
import { createEnder, type Ending } from "../core/ending.ts";
import { reasonOf, type RouterError } from "../core/errors.ts";
import type { Client, Peer } from "../proxy/client.ts";

/** The part of `Bun.Server` that knows connections. */
export interface Connections {
  /** Ends the request's connection after so many seconds without traffic; 0 never. */
  readonly timeout: (request: Request, seconds: number) => void;
  /** Where the request's connection comes from; null when it is gone. */
  readonly requestIP?: (request: Request) => { readonly address: string } | null;
}

/** The clients of all requests. */
export interface Clients {
  /** The client of a request, which is never due yet. */
  readonly of: (request: Request, server: Connections, arrival: Pick<Peer, "arrivedAt" | "trace">) => Client;
  /** Ends every request that waits for an engine or its answer; the error is what the client is told. */
  readonly cut: (error: RouterError) => void;
}

/** A client as it is kept; what is asked for it after an interruption has another signal. */
interface Kept extends Client, Bagged {
  signal: Ending;
  readonly end: (error: RouterError) => void;
}

const nothing = (): void => {};

/**
 * Keeps the clients whose engines are awaited. The server's idle limit also counts while an engine thinks, and
 * lifting it sticks to the connection: this is the only place that lifts it, and what lifts it puts it back.
 */
export const createClients = (idleTimeoutSeconds: number): Clients => {
  const waiting = createBag<Kept>();
  return {
    of: (request, server, arrival) => {
      const { arrivedAt, trace } = arrival;
      let ending = createEnder();
      const client: Kept = {
        signal: ending.signal,
        arrivedAt,
        dueAt: Number.POSITIVE_INFINITY,
        trace,
        place: undefined,
        over: nothing,
        end: (reason) => ending.abort(reason),
        interrupt: (reason) => {
          const interrupted = ending;
          // Who has left stays away.
          if (interrupted.signal.aborted) return;
          ending = createEnder();
          client.signal = ending.signal;
          interrupted.abort(reason);
        },
        address: () => {
          const address = server.requestIP?.(request)?.address;
          // An IPv4 address is written as one, also on a socket of IPv6.
          return address?.startsWith(":") ? address.replace(/^::ffff:(?=\d+\.)/i, "") : address;
        },
        allowSilence: () => {
          waiting.add(client);
          server.timeout(request, 0);
        },
        limitSilence: () => {
          waiting.remove(client);
          server.timeout(request, idleTimeoutSeconds);
        },
      };
      const { signal } = request;
      const leave = (): void => client.end(reasonOf(signal));
      if (signal.aborted) leave();
      // It comes once: to say so costs more than to listen.
      else signal.addEventListener("abort", leave);
      return client;
    },
    cut: (error) => {
      for (const { end } of waiting.all()) end(error);
    },
  };
};
