/** The other end of a request. */
export interface Client {
  /** Aborted when the client has left, in every phase, or with the RouterError for which the router ends it. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds at which the request came. */
  readonly arrivedAt: number;
  /** Lets the connection be silent while an engine thinks. */
  readonly allowSilence: () => void;
  /** Puts the server's limit on silence back: whoever allowed it must. */
  readonly limitSilence: () => void;
}
