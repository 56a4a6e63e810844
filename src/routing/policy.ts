import type { EngineCells, FindCells } from "../core/engine-cells.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import type { RequestStats, RequestWatcher } from "../core/request-stats.ts";
import type { PrefixIndex } from "./prefix-index.ts";
import type { FindTurn } from "./turns.ts";

/** What an engine computes before it can answer, and what it can find in its prefix cache. */
export interface Prompt {
  /** Sets caches of equal text apart: the model (an adapter is a model) and the cache salt. */
  readonly root: string;
  /**
   * The bytes that determine the prompt, in the engine's order: a longer conversation begins with the bytes of the
   * shorter one. UTF-8, token ids as 32-bit integers. Not to be changed.
   */
  readonly bytes: Uint8Array;
}

/** What a policy may know of a request. */
export interface RoutingRequest {
  readonly model: string;
  /** Whether an engine that prefills may compute the prompt before one of the candidates answers; not where absent. */
  readonly canPrefill?: boolean;
  readonly headers: Headers;
  /** Monotonic milliseconds at which it is routed. */
  readonly at: number;
  /** Absent where there is none, such as for audio. Costs the time to gather its bytes, once. */
  readonly prompt: () => Prompt | undefined;
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

/**
 * Why an engine was chosen, as one word of a closed set that can label a metric: its turn, its session, its request
 * rate, its load, the cached prefix that it holds, its load because no engine holds the prefix, its load although
 * another engine holds more of the prefix, or that it holds enough of the prefix to do without another's prefill.
 */
export type RouteRule = "turn" | "session" | "rate" | "load" | "prefix" | "cold" | "spread" | "held";

/** An engine is asked, with the reason. */
export interface SinglePlan {
  readonly kind: "single";
  readonly endpoint: Endpoint;
  readonly rule: RouteRule;
  /** Why this engine, in a few words for logs and people; holds nothing that a client sent. */
  readonly reason: string;
  /** The session id that the policy looked at, printed in the routing log line. */
  readonly sessionId?: string | undefined;
  /**
   * Told what becomes of the request on this engine, from the moment it is sent; that is how a policy learns. A plan
   * that is not carried out leaves no trace.
   */
  readonly watcher?: RequestWatcher | undefined;
}

/**
 * An engine that prefills is asked first; then the request is planned again, without `canPrefill`. Who computes and
 * who answers is decided when each is asked, because load moves on during a prefill.
 */
export interface DisaggregatedPlan {
  readonly kind: "disaggregated";
  /** Why, in a few words for logs and people; holds nothing that a client sent. */
  readonly reason: string;
}

/** A decision. */
export type RoutePlan = SinglePlan | DisaggregatedPlan;

/** How an engine stands to a request, as a policy sees it. */
export interface Standing {
  /** Requests whose answer has not begun, and the tokens of these that it has to compute. */
  readonly waiting: number;
  readonly waitingTokens: number;
  /** Requests whose answer streams. */
  readonly decoding: number;
  /** Tokens of the prompt that its cache is taken to hold. */
  readonly matchedTokens: number;
  /** What the policy wants to be least. */
  readonly cost: number;
}

/** What a policy makes of a request now. */
export interface Explanation {
  /** What it would decide; where it would draw one of equals the first of them, absent where it always draws. */
  readonly plan?: RoutePlan;
  /** What costs are: milliseconds until the answer begins, prompt tokens to compute, requests, or a score. */
  readonly unit?: "ms" | "tokens" | "requests" | "score";
  /** Tokens of the prompt, as far as its bytes tell. */
  readonly promptTokens?: number;
  /** In the order of the candidates; absent where the policy compares no costs. */
  readonly standings?: readonly Standing[];
}

/** Chooses. It never fetches, logs, sleeps or checks health. */
export interface RoutingPolicy<Plan extends RoutePlan = SinglePlan> {
  readonly plan: (request: RoutingRequest, candidates: Candidates) => Plan | Promise<Plan>;
  /** What `plan` would do and why, without a trace in what is planned later. */
  readonly explain?: (request: RoutingRequest, candidates: Candidates) => Explanation;
  /** Told the ids of all engines that can serve, whenever they change: what others held in their caches is lost. */
  readonly keepOnly?: (endpointIds: ReadonlySet<string>) => void;
  /** Chooses the engine that prefills; absent where no plan asks for one. */
  readonly prefill?: RoutingPolicy;
}

/** How what one engine has computed comes to another: by caches that they share, or by parameters in its answer. */
export type Handover = "cache" | "parameters";

/** A book that several threads write. */
export interface SharedBook {
  readonly find: FindCells;
  /** What caches are likely to hold. */
  readonly index: PrefixIndex<number | undefined>;
  /** What comes to the fleet, from each thread. */
  readonly demand: EngineCells;
}

/** What a policy is lent. */
export interface PolicyDeps {
  /** From 0, below 1. */
  readonly random: () => number;
  /** Absent where no other thread routes; so are the books. */
  readonly turns?: FindTurn | undefined;
  readonly book?: SharedBook | undefined;
  /** Of a policy beside it that chooses who prefills. */
  readonly prefillBook?: SharedBook | undefined;
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
  /** Absent where each request is one engine's alone. */
  readonly handover?: Handover;
  readonly create: (options: OptionValues<Table>, deps: PolicyDeps) => RoutingPolicy<RoutePlan>;
}
