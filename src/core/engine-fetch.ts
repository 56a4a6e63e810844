/** What of `RequestInit` a request to an engine may set. */
export interface EngineRequest {
  readonly method: string;
  readonly headers: Headers;
  /** Whole bytes, never a stream: the runtime computes Content-Length from them. */
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  /** Ends the request; every caller has one. */
  readonly signal: AbortSignal;
  /** True opens a new connection instead of a pooled one: for probes and replays. */
  readonly fresh?: boolean;
}

/** Sends one request to an engine; lent by the platform, faked in tests. */
export type EngineFetch = (url: string, request: EngineRequest) => Promise<Response>;
