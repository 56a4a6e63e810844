import type { Ending } from "../core/ending.ts";
import type { Dial } from "../core/dial.ts";
import type { EngineSend } from "../core/engine-send.ts";
import { type Connection, createConnection } from "./connection.ts";
import { type Origin, originOf, requestHead } from "./request-head.ts";

/** Connections to one engine. */
interface Pool extends Origin {
  readonly idle: Connection[];
  /** All that are open or being made. */
  open: number;
}

const SCHEME = "http://";
/** Requests up to this many bytes go out in one piece. */
const SCRATCH_BYTES = 64 * 1024;
/** Seconds for which a connection is kept without a request where its engine does not say. */
const KEPT_SECONDS = 60;
/** The runtime ends idle connections within this many seconds of what it was told. */
const GRAIN_SECONDS = 4;

/** Settles as what it is given, or rejects with the signal's reason before. */
const unlessAborted = async <Result>(made: Promise<Result>, signal: Ending): Promise<Result> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  try {
    return await Promise.race([made, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
};

/**
 * Creates a client of HTTP/1.1 for engines at URLs of the scheme http. Connections are kept for the requests that
 * follow, and the one that was used last is used first, so that those that a burst needed go unused and end.
 */
export const createHttp1Client = ({ dial }: { readonly dial: Dial }): EngineSend => {
  const pools = new Map<string, Pool>();
  const scratch = Buffer.alloc(SCRATCH_BYTES);

  const poolOf = (origin: string): Pool => {
    const known = pools.get(origin);
    if (known) return known;
    const pool = { ...originOf(origin), idle: [], open: 0 };
    pools.set(origin, pool);
    return pool;
  };

  const leave = (origin: string, pool: Pool): void => {
    pool.open -= 1;
    if (pool.open === 0 && pools.get(origin) === pool) pools.delete(origin);
  };

  const keep = ({ idle }: Pool, connection: Connection, keptSeconds = KEPT_SECONDS): void => {
    connection.keepFor(Math.max(1, keptSeconds - GRAIN_SECONDS));
    idle.push(connection);
  };

  const connect = async (origin: string, pool: Pool): Promise<Connection> => {
    pool.open += 1;
    const { promise, resolve } = Promise.withResolvers<Connection>();
    try {
      await dial(pool.hostname, pool.port, (wire) => {
        const connection = createConnection(wire, {
          scratch,
          onIdle: (keptSeconds) => keep(pool, connection, keptSeconds),
          onGone: () => {
            const at = pool.idle.lastIndexOf(connection);
            if (at >= 0) pool.idle.splice(at, 1);
            leave(origin, pool);
          },
        });
        resolve(connection);
        return connection;
      });
    } catch (error) {
      leave(origin, pool);
      throw error;
    }
    return promise;
  };

  /** A new connection for a request; one that is made too late is kept for others. */
  const connectFor = async (origin: string, pool: Pool, signal: Ending): Promise<Connection> => {
    const made = connect(origin, pool);
    try {
      return await unlessAborted(made, signal);
    } catch (error) {
      made.then((connection) => keep(pool, connection)).catch(() => {});
      throw error;
    }
  };

  return (url, request, onHead) => {
    const pathAt = url.indexOf("/", SCHEME.length);
    const origin = url.slice(0, pathAt);
    const pool = poolOf(origin);
    const head = requestHead(pool, url, pathAt, request);
    const idle = request.fresh === true ? undefined : pool.idle.pop();
    return idle
      ? idle.send(head, request, onHead)
      : connectFor(origin, pool, request.signal).then((made) => made.send(head, request, onHead));
  };
};
