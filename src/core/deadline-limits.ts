/** How long the parts of a request may take, in milliseconds; Infinity where there is no limit. */
export interface DeadlineLimits {
  /** From the head of a request to the end of its body. */
  readonly bodyMs: number;
  /** Until an engine that is silent must prove on a fresh connection that it is there. */
  readonly connectMs: number;
  /** From sending a request for a stream to the head of its answer. */
  readonly headMs: number;
  /** From sending a request to the first bytes of its answer. */
  readonly firstChunkMs: number;
  /** Between two chunks of an answer. */
  readonly chunkIdleMs: number;
  /** From the arrival of a request to the end of its answer. */
  readonly requestMs: number;
  /** While a client takes nothing of what waits for it. */
  readonly clientStallMs: number;
}

/** Every part may take as long as it does. */
export const noLimits: DeadlineLimits = {
  bodyMs: Number.POSITIVE_INFINITY,
  connectMs: Number.POSITIVE_INFINITY,
  headMs: Number.POSITIVE_INFINITY,
  firstChunkMs: Number.POSITIVE_INFINITY,
  chunkIdleMs: Number.POSITIVE_INFINITY,
  requestMs: Number.POSITIVE_INFINITY,
  clientStallMs: Number.POSITIVE_INFINITY,
};
