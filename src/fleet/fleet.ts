import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import { RouterError } from "../core/errors.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { type EngineHealth, type Excluded, modelKey } from "../health/engine-health.ts";
import type { Candidate, Candidates } from "../routing/policy.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import { createSleepStates } from "./sleep-states.ts";

/** What narrows the candidates for one attempt. */
export interface Narrowing {
  /** Ids of engines that this request has already failed on. */
  readonly except?: ReadonlySet<string>;
  /** Id of the only engine that may answer (`?id=`). */
  readonly only?: string | undefined;
}

/** How many engines there are. */
export interface EngineCounts {
  readonly total: number;
  /** Those of which some model passes its checks, asleep or not. */
  readonly healthy: number;
  /** Those that get requests. */
  readonly routable: number;
}

/** The engines that can be routed to now. */
export interface Fleet {
  readonly endpoints: readonly Endpoint[];
  /** Engines that serve the model, are healthy and awake; `undefined` when there are none. */
  readonly candidates: (model: string, narrowing?: Narrowing) => Candidates | undefined;
  /** Why a model has no candidates: `model_not_found` if it was never seen, otherwise `no_endpoint`. */
  readonly missing: (model: string) => RouterError;
  /** The model that is meant where a request names none: the only one that any engine serves, awake or not. */
  readonly onlyModel: () => string | undefined;
  readonly find: (endpointId: string) => Endpoint | undefined;
  readonly counts: () => EngineCounts;
  /** Whether some model of the engine passes its checks, asleep or not. */
  readonly isHealthy: (endpointId: string) => boolean;
  /** Whether any engine has ever served the model. */
  readonly hasSeen: (model: string) => boolean;
  /** A sleeping engine gets no requests until it wakes. */
  readonly setSleeping: (endpointId: string, sleeping: boolean) => void;
}

interface Snapshot {
  readonly endpoints: readonly Endpoint[];
  readonly asleep: ReadonlySet<string>;
  readonly excluded: Excluded;
  readonly byModel: ReadonlyMap<string, Candidates>;
  readonly byId: ReadonlyMap<string, Endpoint>;
  readonly onlyModel: string | undefined;
  readonly healthy: ReadonlySet<string>;
  readonly counts: EngineCounts;
}

/** What is known of the load of engines. */
interface Loads extends Pick<RequestLedger, "of" | "keepOnly"> {
  /** Told the ids of all engines that can serve, whenever they may have changed. */
  readonly serving?: (endpointIds: ReadonlySet<string>) => void;
  /** What an engine says of itself. */
  readonly engine?: (endpointId: string) => EngineStats | undefined;
}

const isCandidates = (list: readonly Candidate[]): list is Candidates => list.length > 0;

const nothing: Excluded = { engines: new Set(), models: new Set() };

/** Joins discovery, health, sleep states and local load into one snapshot, replaced whole when any of them changes. */
export const createFleet = (
  discovery: Discovery,
  loads: Loads,
  sleep = createSleepStates(),
  health: Pick<EngineHealth, "excluded"> = { excluded: nothing },
): Fleet => {
  let snapshot: Snapshot | undefined;

  const healthyModels = ({ id, models }: Endpoint, excluded: Excluded): ReadonlySet<string> =>
    new Set(
      excluded.engines.has(id) ? [] : models.filter((model) => !excluded.models.has(modelKey(id, model))),
    );

  const take = (
    endpoints: readonly Endpoint[],
    asleep: ReadonlySet<string>,
    excluded: Excluded,
  ): Snapshot => {
    const byModel = new Map<string, [Candidate, ...Candidate[]]>();
    const healthy = new Set<string>();
    const routable = new Set<string>();
    for (const endpoint of endpoints) {
      const models = healthyModels(endpoint, excluded);
      if (models.size > 0) healthy.add(endpoint.id);
      if (models.size === 0 || asleep.has(endpoint.id)) continue;
      routable.add(endpoint.id);
      const candidate: Candidate = {
        endpoint,
        requests: loads.of(endpoint.id),
        get engine() {
          return loads.engine?.(endpoint.id);
        },
      };
      for (const model of models) {
        const list = byModel.get(model);
        if (list) list.push(candidate);
        else byModel.set(model, [candidate]);
      }
    }
    const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    loads.keepOnly(new Set(byId.keys()));
    loads.serving?.(routable);
    const [model, ...others] = new Set(endpoints.flatMap(({ models }) => models));
    const onlyModel = others.length === 0 ? model : undefined;
    const counts = { total: endpoints.length, healthy: healthy.size, routable: routable.size };
    return { endpoints, asleep, excluded, byModel, byId, onlyModel, healthy, counts };
  };

  const current = (): Snapshot => {
    const { endpoints } = discovery;
    const { asleep } = sleep;
    const { excluded } = health;
    if (snapshot?.endpoints !== endpoints || snapshot.asleep !== asleep || snapshot.excluded !== excluded) {
      snapshot = take(endpoints, asleep, excluded);
    }
    return snapshot;
  };

  return {
    get endpoints() {
      return discovery.endpoints;
    },
    candidates: (model, { except, only } = {}) => {
      const all = current().byModel.get(model);
      if (!all || (only === undefined && !except?.size)) return all;
      const left = all.filter(({ endpoint: { id } }) => (only ?? id) === id && !except?.has(id));
      return isCandidates(left) ? left : undefined;
    },
    missing: (model) =>
      discovery.hasSeen(model)
        ? new RouterError(
            "no_endpoint",
            `Model '${model}' is temporarily unavailable. Please try again later.`,
          )
        : new RouterError(
            "model_not_found",
            `Model '${model}' not found. Available models can be listed at /v1/models.`,
          ),
    onlyModel: () => current().onlyModel,
    find: (endpointId) => current().byId.get(endpointId),
    counts: () => current().counts,
    isHealthy: (endpointId) => current().healthy.has(endpointId),
    hasSeen: discovery.hasSeen,
    setSleeping: sleep.set,
  };
};
