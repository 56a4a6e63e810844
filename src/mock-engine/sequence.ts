import type { Block } from "./prefix-cache.ts";

/** A request as the scheduler sees it: lengths and block hashes, no text. */
export interface SequenceSpec {
  readonly promptTokens: number;
  /** Tokens after which it is finished; 0 for requests that only need the prompt, such as embeddings. */
  readonly outputTokens: number;
  /** Chained hash of each full block of prompt and output; the last, partial block has none. */
  readonly blockHashes: ArrayLike<number>;
  /** Another engine has computed the prompt: only its last token is left to do, unless the sequence starts over. */
  readonly isFetched?: boolean;
}

/** Where a sequence is in its life. */
export type SequenceStatus = "waiting" | "running" | "finished" | "aborted";

/** A submitted request; only the scheduler writes to it. */
export interface Sequence extends SequenceSpec {
  status: SequenceStatus;
  /** Output tokens so far. */
  emitted: number;
  /** Prompt tokens found in the prefix cache when it was first scheduled. */
  cachedTokens: number | undefined;
  /** Tokens whose KV is in `blocks`, counting those of the step under way. */
  computed: number;
  sealed: number;
  readonly blocks: Block[];
}
