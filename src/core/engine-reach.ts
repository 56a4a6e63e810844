/**
 * Whether a new TCP connection to the host and port of a URL comes about before the signal aborts; it is closed
 * at once. Never rejects. Lent by the platform, faked in tests.
 */
export type EngineReach = (url: string, signal: AbortSignal) => Promise<boolean>;
