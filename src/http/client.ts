import { reasonOf, type RouterError } from "../core/errors.ts";
import type { Peer } from "../proxy/client.ts";

/** The part of `Bun.Server` that ends idle connections. */
export interface IdleLimiter {
  /** Ends the request's connection after so many seconds without traffic; 0 never. */
  readonly timeout: (request: Request, seconds: number) => void;
}

/** The clients of all requests. */
export interface Clients {
  /** The client of a request. */
  readonly of: (request: Request, server: IdleLimiter, arrival: Pick<Peer, "arrivedAt" | "trace">) => Peer;
  /** Ends every request that waits for an engine or its answer; the error is what the client is told. */
  readonly cut: (error: RouterError) => void;
}

/**
 * Keeps the clients whose engines are awaited. The server's idle limit also counts while an engine thinks, and
 * lifting it sticks to the connection: this is the only place that lifts it, and what lifts it puts it back.
 */
export const createClients = (idleTimeoutSeconds: number): Clients => {
  const waiting = new Set<AbortController>();
  return {
    of: (request, server, { arrivedAt, trace }) => {
      const ending = new AbortController();
      const { signal } = request;
      const leave = (): void => ending.abort(reasonOf(signal));
      if (signal.aborted) leave();
      else signal.addEventListener("abort", leave, { once: true });
      return {
        signal: ending.signal,
        arrivedAt,
        trace,
        allowSilence: () => {
          waiting.add(ending);
          server.timeout(request, 0);
        },
        limitSilence: () => {
          waiting.delete(ending);
          server.timeout(request, idleTimeoutSeconds);
        },
      };
    },
    cut: (error) => {
      for (const ending of waiting) ending.abort(error);
    },
  };
};
