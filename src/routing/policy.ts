import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import type { RequestStats } from "../core/request-stats.ts";

/** What a policy may know of a request. */
export interface RoutingRequest {
  readonly model: string;
  readonly headers: Headers;
  /** A top-level field of the JSON body, `undefined` where there is none. */
  readonly field: (name: string) => unknown;
}

/** An engine that can serve the request now. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly requests: RequestStats;
  /** What the engine says of itself, at most two scrape intervals old; read anew each time. */
  readonly engine?: EngineStats | undefined;
}

/**
 * The engines to choose from; never empty. For an unchanged set of engines it is the same array, so that a
 * policy may keep what it derived from a set in a WeakMap.
 */
export type Candidates = readonly [Candidate, ...Candidate[]];

/** A decision with its reason. */
export interface RoutePlan {
  readonly endpoint: Endpoint;
  /** Why this engine, in a few words for logs and people; holds nothing that a client sent. */
  readonly reason: string;
  /** The session id that the policy looked at, printed in the routing log line. */
  readonly sessionId?: string | undefined;
}

/** Chooses. It never fetches, logs, sleeps or checks health. */
export interface RoutingPolicy {
  readonly plan: (request: RoutingRequest, candidates: Candidates) => RoutePlan | Promise<RoutePlan>;
}

/** What routing/index.ts registers: a policy, its name and its own options. */
export interface PolicyModule<Name extends string = string, Table extends OptionTable = OptionTable> {
  /** The word of `--routing-logic`. */
  readonly name: Name;
  /** One sentence for `--help` and the docs. */
  readonly summary: string;
  /** Rows that belong to this policy alone. */
  readonly options: Table;
  /** Problems among the options that no single row can see, as sentences; empty when there are none. */
  readonly problems: (options: OptionValues<Table>) => readonly string[];
  readonly create: (options: OptionValues<Table>) => RoutingPolicy;
}
