/** An engine's load as this router itself sees it: exact, no scraping involved. */
export interface RequestStats {
  /** Requests sent to the engine whose answer has not begun. */
  readonly inPrefill: number;
  /** Requests whose answer is streaming. */
  readonly inDecode: number;
  /** Requests per second over the statistics window; absent until the first request. */
  readonly qps?: number | undefined;
  /** Requests that were answered to their end, since the engine is known. */
  readonly finished?: number;
  /** Requests that the engine failed on, since it is known; a client that left is no failure. */
  readonly failed?: number;
  /** Monotonic milliseconds of the first request; absent before. */
  readonly firstRequestAt?: number | undefined;
  /** Monotonic milliseconds at which bytes of an answer last came; absent before the first. */
  readonly lastDataAt?: number | undefined;
  /** Mean milliseconds until a stream's first bytes, over the window; absent where none began. */
  readonly timeToFirstTokenMs?: number | undefined;
  /** Mean milliseconds between the chunks of streams, over the window; absent where there were none. */
  readonly interTokenMs?: number | undefined;
  /** Mean milliseconds from sending to the end of the answer, over the window; absent where none ended. */
  readonly latencyMs?: number | undefined;
  /** Mean length of the answers in tokens, or in chunks where an engine told no usage; absent where none ended. */
  readonly decodeLength?: number | undefined;
}

/** How a request's life on an engine ended; refused is an answer of the engine with a status of 4xx. */
export type RequestOutcome = "done" | "refused" | "failed" | "client_closed";

/** Tokens of one request, as the engine counted them. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Those of `input` that it found in its prefix cache; absent where it does not say. */
  readonly cached?: number | undefined;
}

/** What is told of a request on an engine as it happens; milliseconds count from when it began. Never throws. */
export interface RequestWatcher {
  readonly began: () => void;
  /** The first bytes of a stream came. */
  readonly streamBegan: (elapsedMs: number) => void;
  /** Told before the end, where the engine tells it. */
  readonly tokens: (usage: TokenUsage) => void;
  /** Told once of every request that began, however it ended. */
  readonly ended: (outcome: RequestOutcome, elapsedMs: number, wasStream: boolean) => void;
}

/** Tells two of the same request. */
export const watchBoth = (one: RequestWatcher, other: RequestWatcher): RequestWatcher => ({
  began: () => {
    one.began();
    other.began();
  },
  streamBegan: (elapsedMs) => {
    one.streamBegan(elapsedMs);
    other.streamBegan(elapsedMs);
  },
  tokens: (usage) => {
    one.tokens(usage);
    other.tokens(usage);
  },
  ended: (outcome, elapsedMs, wasStream) => {
    one.ended(outcome, elapsedMs, wasStream);
    other.ended(outcome, elapsedMs, wasStream);
  },
});

/** What is told of requests to one engine for one model, chunk by chunk. */
export interface RequestObserver extends RequestWatcher {
  /** Further bytes of a stream came, so long after those before. */
  readonly streamWentOn: (gapMs: number) => void;
}
