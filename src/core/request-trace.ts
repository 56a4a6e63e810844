import type { RequestWatcher } from "./request-stats.ts";

/** What is told of one request that is traced. Never throws. */
export interface RequestTrace {
  /** The request is one for engines; `route` is its method and a pattern, never a client's own words. */
  readonly routed: (route: string) => void;
  /** An attempt is to be made; what it returns is told how that goes. */
  readonly attempt: (engineId: string, model: string) => RequestWatcher;
  /** The client has its status; a stream may still be under way. */
  readonly answered: (status: number) => void;
}

/** Chooses whether a request that came at that monotonic time is traced; most are not. */
export type SampleTrace = (arrivedAt: number) => RequestTrace | undefined;
