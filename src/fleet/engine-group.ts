import type { Endpoint } from "../core/endpoint.ts";
import { RouterError } from "../core/errors.ts";
import type { Trial } from "../health/trials.ts";
import type { Role } from "../routing/disaggregated.ts";
import type { Candidate, Candidates } from "../routing/policy.ts";
import type { Pool, Service } from "./service.ts";

/** What narrows the candidates for one attempt. */
export interface Narrowing {
  /** Ids of engines that this request has already failed on. */
  readonly except?: ReadonlySet<string>;
  /** Id of the only engine that may answer (`?id=`). */
  readonly only?: string | undefined;
}

/** Engines to choose from: all that answer requests, or those that prefill. */
export interface EngineGroup {
  /** Engines that serve the model, are healthy, awake and not ejected; `undefined` when there are none. */
  readonly candidates: (model: string, narrowing?: Narrowing) => Candidates | undefined;
  /** What one request chooses from: the candidates, without engines in slow start more often than not. */
  readonly draw: (model: string, narrowing?: Narrowing) => Candidates | undefined;
  /**
   * A request is sent to an engine that was chosen; `undefined` where the engine is no candidate any more, because
   * another request probes it meanwhile.
   */
  readonly begin: (endpoint: Endpoint, model: string, narrowing?: Narrowing) => Trial | undefined;
  /** Why a model has no candidates: `model_not_found` if it was never seen, otherwise that none can serve it now. */
  readonly missing: (model: string) => RouterError;
  /** Whether less than half of a model's engines are left: a request is sent to them once. */
  readonly isPanic: (model: string) => boolean;
  /** Whether an engine is there but does not pass its checks, while another one can serve the model. */
  readonly isLeftBehind: (endpointId: string, model: string) => boolean;
  /** The model that is meant where a request names none: the only one that any engine serves, awake or not. */
  readonly onlyModel: () => string | undefined;
  /** Whether any engine has ever served the model. */
  readonly hasSeen: (model: string) => boolean;
  /** Whether there is no engine at all, of whatever group. */
  readonly isEmpty: () => boolean;
}

/** What a group is made of, as it is when asked for. */
interface Members extends Pick<EngineGroup, "onlyModel" | "hasSeen" | "isEmpty"> {
  readonly poolOf: (model: string) => Pool | undefined;
  /** What its engines do; absent where all do the same. */
  readonly role: Role | undefined;
}

/** The reference's words, which name no model. */
const UNAVAILABLE = {
  prefill: ["prefill_unavailable", "PREFILL_SERVICE_UNAVAILABLE: No prefill endpoints discovered"],
  decode: ["decode_unavailable", "DECODE_SERVICE_UNAVAILABLE: No decode endpoints discovered"],
} as const;

const isCandidates = (list: readonly Candidate[]): list is Candidates => list.length > 0;

/** Creates a group that follows its members. */
export const createEngineGroup = (
  { poolOf, onlyModel, hasSeen, isEmpty, role }: Members,
  service: Service,
): EngineGroup => {
  const candidates = (model: string, { except, only }: Narrowing = {}): Candidates | undefined => {
    const pool = poolOf(model);
    // Whoever names an engine has it, ejected or not.
    const all = pool && only === undefined ? service.open(pool) : pool?.able;
    if (!all || (only === undefined && !except?.size)) return all;
    const left = all.filter(({ endpoint: { id } }) => (only ?? id) === id && !except?.has(id));
    return isCandidates(left) ? left : undefined;
  };

  return {
    candidates,
    draw: (model, narrowing) => {
      const all = candidates(model, narrowing);
      return all && service.draw(all);
    },
    begin: (endpoint, model, { only } = {}) =>
      service.begin(endpoint, only === undefined ? poolOf(model) : undefined),
    missing: (model) => {
      if (!hasSeen(model)) {
        return new RouterError(
          "model_not_found",
          `Model '${model}' not found. Available models can be listed at /v1/models.`,
        );
      }
      const [code, message] = role
        ? UNAVAILABLE[role]
        : (["no_endpoint", `Model '${model}' is temporarily unavailable. Please try again later.`] as const);
      return new RouterError(code, message);
    },
    isLeftBehind: (endpointId, model) => {
      const { members = [], able } = poolOf(model) ?? {};
      if (!able || !members.includes(endpointId)) return false;
      return !able.some(({ endpoint }) => endpoint.id === endpointId);
    },
    isPanic: (model) => {
      const pool = poolOf(model);
      return pool !== undefined && service.isPanic(pool);
    },
    onlyModel,
    hasSeen,
    isEmpty,
  };
};
