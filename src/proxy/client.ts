import type { Ending } from "../core/ending.ts";
import type { RouterError } from "../core/errors.ts";
import type { RequestTrace } from "../core/request-trace.ts";

/** The other end of a connection. */
export interface Peer {
  /** Aborted when the client has left, in every phase, or with the RouterError for which the router ends it. */
  readonly signal: Ending;
  /** Ends what is asked of an engine now, with this reason; what is asked from then on has another signal. */
  readonly interrupt: (reason: RouterError) => void;
  /** Monotonic milliseconds at which the request came. */
  readonly arrivedAt: number;
  /** Lets the connection be silent while an engine thinks. */
  readonly allowSilence: () => void;
  /** Puts the server's limit on silence back: whoever allowed it must. */
  readonly limitSilence: () => void;
  /** Address of the peer, as it is now: absent when it has left. */
  readonly address: () => string | undefined;
  /** Absent where the request is not traced. */
  readonly trace?: RequestTrace | undefined;
}

/** The other end of a request to an engine; what it has from its request is set when that has been read. */
export interface Client extends Peer {
  /** Monotonic milliseconds at which its request is over in any case. */
  dueAt: number;
  /** The request has ended, however it did; once more is nothing. */
  over: () => void;
}
