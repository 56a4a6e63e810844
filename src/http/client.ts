import type { Client } from "../proxy/client.ts";

/** The part of `Bun.Server` that ends idle connections. */
export interface IdleLimiter {
  /** Ends the request's connection after so many seconds without traffic; 0 never. */
  readonly timeout: (request: Request, seconds: number) => void;
}

interface ClientOptions {
  readonly arrivedAt: number;
  readonly idleTimeoutSeconds: number;
}

/**
 * The client of a request. The server's idle limit also counts while an engine thinks, and lifting it sticks to
 * the connection: this is the only place that lifts it, and what lifts it puts it back.
 */
export const createClient = (
  request: Request,
  server: IdleLimiter,
  { arrivedAt, idleTimeoutSeconds }: ClientOptions,
): Client => ({
  signal: request.signal,
  arrivedAt,
  allowSilence: () => server.timeout(request, 0),
  limitSilence: () => server.timeout(request, idleTimeoutSeconds),
});
