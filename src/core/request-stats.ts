/** An engine's load as this router itself sees it: exact, no scraping involved. */
export interface RequestStats {
  /** Requests sent to the engine whose answer has not begun. */
  readonly inPrefill: number;
  /** Requests whose answer is streaming. */
  readonly inDecode: number;
  /** Requests per second over the statistics window; absent until the first request. */
  readonly qps?: number | undefined;
}
