import type { Bytes } from "./answer.ts";

/** A TCP connection. */
export interface Wire {
  /** Bytes that the system took of those from `offset` on; below 0 where the connection is gone. */
  readonly write: (bytes: Bytes, offset?: number, length?: number) => number;
  /** Stops and goes on with what comes. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it after so many seconds without traffic, give or take 4; 0 never. */
  readonly timeout: (seconds: number) => void;
  /** Ends it at once. */
  readonly terminate: () => void;
}

/** What becomes of a connection that was made. */
export interface WireEvents {
  readonly data: (bytes: Bytes) => void;
  /** It takes bytes again. */
  readonly drain: () => void;
  /** Called once; nothing comes after it. */
  readonly close: () => void;
}

/**
 * Connects to a port of a host name or an address (without brackets). Rejects with an error whose `code` says why
 * (ECONNREFUSED, ENOTFOUND and so on); has no limit of time of its own.
 */
export type Dial = (hostname: string, port: number, eventsOf: (wire: Wire) => WireEvents) => Promise<void>;
