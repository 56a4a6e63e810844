import { exponential, type Random } from "../random.ts";
import type { Span } from "../prompt.ts";

/** A request of a workload, without what it says. */
export interface WorkloadRequest {
  readonly atMs: number;
  readonly prompt: readonly Span[];
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** The span that the answer becomes where a later prompt contains it. */
  readonly answerId?: number;
  /** Whose request it is, where the workload knows users. */
  readonly session?: string;
}

/** What comes to a router. */
export interface Workload {
  /** Requests that come whatever becomes of others, in the order of time; walked once. */
  readonly arrivals: Iterable<WorkloadRequest>;
  /** What the user of a request sends after its answer has ended, well or not; absent where nobody waits. */
  readonly next?: (request: WorkloadRequest, endedAtMs: number) => WorkloadRequest | undefined;
}

/** How much of a workload is wanted. */
export interface WorkloadSize {
  /** Requests in all. */
  readonly requests: number;
  /** The load: 1 keeps engines of the standard kind moderately busy, 2 is twice as many requests in the same time. */
  readonly rate: number;
  /** Engines that the load is meant for. */
  readonly engines: number;
  readonly seed: number;
}

/** A row of the table of workloads. */
export interface WorkloadModule {
  readonly name: string;
  /** Half a sentence for the help and the docs. */
  readonly summary: string;
  readonly create: (size: WorkloadSize) => Workload;
}

/** Ids of spans, each given once. */
export const createSpanIds = (): (() => number) => {
  let last = 0;
  return () => (last += 1);
};

/** Requests whose times a Poisson process gives, `perSecond` of them in the mean. */
export function* poisson(
  {
    requests,
    perSecond,
    random,
  }: { readonly requests: number; readonly perSecond: number; readonly random: Random },
  create: (atMs: number) => WorkloadRequest,
): Generator<WorkloadRequest> {
  let atMs = 0;
  for (let index = 0; index < requests; index += 1) {
    atMs += exponential(random, 1000 / perSecond);
    yield create(atMs);
  }
}
