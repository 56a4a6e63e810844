import type { EngineStats } from "../core/engine-stats.ts";
import type { SequenceSpec } from "../mock-engine/sequence.ts";

/** What a simulation knows and no router could: for contenders that are told more than the router's own policies. */
export interface FleetView {
  /** The request that is being decided on, with the hash of each of its blocks. */
  readonly request: () => SequenceSpec;
  /** Tokens in a block of the engines' caches. */
  readonly blockSize: number;
  /** Prompt tokens of the request that an engine holds now. */
  readonly cachedTokens: (endpointId: string) => number;
  /** Prompt tokens of requests without a first token that the engine does not hold. */
  readonly prefillTokens: (endpointId: string) => number;
  /** Milliseconds until an engine has computed every prompt that it has taken on, were it to do nothing else. */
  readonly prefillLeftMs: (endpointId: string) => number;
  readonly prefillTokensPerSecond: (endpointId: string) => number;
  /** Requests of an engine that are past their first token. */
  readonly decoding: (endpointId: string) => number;
  /** Blocks of its cache that an engine uses now. */
  readonly usedBlocks: (endpointId: string) => number;
  /** What an engine says of itself, as it is now. */
  readonly stats: (endpointId: string) => EngineStats;
}
