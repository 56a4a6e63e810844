/** What an engine says of itself in its metrics. What it does not say is absent. */
export interface EngineStats {
  /** Requests in its batches. */
  readonly running?: number;
  /** Requests that it has accepted and not begun. */
  readonly waiting?: number;
  /** Waiting requests by the engine's own word for why, such as `capacity` or `deferred`. */
  readonly waitingByReason?: ReadonlyMap<string, number>;
  /** Requests swapped out to the host's memory; only engines before vLLM's V1 have it. */
  readonly swapped?: number;
  /** Share of the KV cache in use, 0 to 1. */
  readonly kvCacheUsage?: number;
  /** Tokens looked up in the prefix cache since the engine began. */
  readonly prefixCacheQueries?: number;
  /** Tokens of these that were found. */
  readonly prefixCacheHits?: number;
  /** Share that was found, 0 to 1: since the engine began, or as the engine itself averages it. */
  readonly prefixCacheHitRate?: number;
  /** Requests that lost their place in the KV cache, since the engine began. */
  readonly preemptions?: number;
  /** Tokens in a block of the KV cache. */
  readonly blockSize?: number;
  /** Blocks of the KV cache. */
  readonly blockCount?: number;
  /** Adapters that its requests use now. */
  readonly lora?: LoraStats;
}

/** Adapters in use on an engine. */
export interface LoraStats {
  /** Adapters that can be in one batch. */
  readonly max?: number;
  readonly running: readonly string[];
  readonly waiting: readonly string[];
}
