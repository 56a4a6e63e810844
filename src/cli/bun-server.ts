import type { Entrance } from "../http/entrance.ts";

interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly idleTimeoutSeconds: number;
  /** Whether others of this process listen on the same port. */
  readonly sharesPort?: boolean;
  readonly fetch: Entrance;
  /** Told of what nobody caught. */
  readonly onFault: (error: unknown) => void;
}

const internalError = (): Response =>
  Response.json(
    { error: { message: "The router failed on this request.", type: "internal_error", code: "internal" } },
    { status: 500 },
  );

/** Listens; throws where it cannot. */
export const startServer = ({
  host,
  port,
  idleTimeoutSeconds,
  sharesPort = false,
  fetch,
  onFault,
}: ServerOptions): Bun.Server<undefined> =>
  Bun.serve({
    hostname: host,
    port,
    idleTimeout: idleTimeoutSeconds,
    // Otherwise a second router takes the same port without a word, and half of the connections.
    reusePort: sharesPort,
    // The router keeps its own limit, with an answer that names the option.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Otherwise the runtime shows error texts and stacks to clients.
    development: false,
    fetch,
    error: (error) => {
      onFault(error);
      return internalError();
    },
  });
