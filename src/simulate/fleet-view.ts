import type { SequenceSpec } from "../mock-engine/sequence.ts";

/** What a simulation knows and no router could: for contenders that are told more than the router's own policies. */
export interface FleetView {
  /** The request that is being decided on, with the hash of each of its blocks. */
  readonly request: () => SequenceSpec;
  /** Tokens in a block of the engines' caches. */
  readonly blockSize: number;
  /** Prompt tokens of the request that an engine holds now. */
  readonly cachedTokens: (endpointId: string) => number;
  /** Milliseconds in which an engine would compute the prompt tokens that it has taken on, and so many more. */
  readonly prefillMs: (endpointId: string, tokens: number) => number;
  /** Requests of an engine that are past their first token. */
  readonly decoding: (endpointId: string) => number;
  /** Blocks of its cache that an engine uses now. */
  readonly usedBlocks: (endpointId: string) => number;
}
