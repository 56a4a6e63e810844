import type { Endpoint } from "../core/endpoint.ts";
import type { EngineState } from "../core/engine-state.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { type EngineHealth, type Excluded, modelKey } from "../health/engine-health.ts";
import type { Role } from "../routing/disaggregated.ts";
import type { Candidate } from "../routing/policy.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import { createEngineGroup, type EngineGroup } from "./engine-group.ts";
import { everyone, type Pool, type Service } from "./service.ts";
import { createSleepStates } from "./sleep-states.ts";

/** How many engines there are. */
export interface EngineCounts {
  readonly total: number;
  /** Those of which some model passes its checks, asleep or not. */
  readonly healthy: number;
  /** Those that can serve: healthy and awake; none where all of one role are missing. */
  readonly routable: number;
  /** Of those, the ones that are left out because requests failed on them. */
  readonly ejected: number;
  /** Of those, the ones that get fewer requests because they have just come. */
  readonly starting: number;
}

/** The engines that can be routed to now; where roles are given, its candidates are those that decode. */
export interface Fleet extends EngineGroup {
  readonly endpoints: readonly Endpoint[];
  /** Those that compute prompts for others; none where there are no roles. */
  readonly prefill: EngineGroup;
  readonly find: (endpointId: string) => Endpoint | undefined;
  /** Takes in now what has changed, and not with the next question. */
  readonly catchUp: () => void;
  readonly counts: () => EngineCounts;
  readonly stateOf: (endpointId: string) => EngineState;
  /** A sleeping engine gets no requests until it wakes. */
  readonly setSleeping: (endpointId: string, sleeping: boolean) => void;
}

interface Snapshot {
  readonly endpoints: readonly Endpoint[];
  readonly asleep: ReadonlySet<string>;
  readonly excluded: Excluded;
  readonly pools: Readonly<Record<Role, ReadonlyMap<string, Pool>>>;
  readonly byId: ReadonlyMap<string, Endpoint>;
  readonly onlyModel: string | undefined;
  readonly healthy: ReadonlySet<string>;
  readonly counts: Pick<EngineCounts, "total" | "healthy" | "routable">;
  readonly routable: ReadonlySet<string>;
}

/** What is known of the load of engines. */
interface Loads extends Pick<RequestLedger, "of" | "keepOnly"> {
  /** Told the ids of all engines that can serve, whenever they may have changed. */
  readonly serving?: (endpointIds: ReadonlySet<string>) => void;
  /** What an engine says of itself. */
  readonly engine?: (endpointId: string) => EngineStats | undefined;
}

/** Who says which engines can serve, and which of them get requests. */
interface Judges {
  readonly health?: Pick<EngineHealth, "excluded">;
  readonly service?: Service;
  /** What an engine does; one without a role gets no requests. Absent where all do the same. */
  readonly roleOf?: ((endpoint: Endpoint) => Role | undefined) | undefined;
}

const nothing: Excluded = { engines: new Set(), models: new Set() };

/** Joins discovery, health, sleep states and local load into one snapshot, replaced whole when any of them changes. */
export const createFleet = (
  discovery: Discovery,
  loads: Loads,
  sleep = createSleepStates(),
  { health = { excluded: nothing }, service = everyone, roleOf }: Judges = {},
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
    type Filling = { able?: [Candidate, ...Candidate[]]; readonly members: string[] };
    const pools = { prefill: new Map<string, Filling>(), decode: new Map<string, Filling>() };
    const poolOf = (role: Role, model: string): Filling => {
      let pool = pools[role].get(model);
      if (!pool) pools[role].set(model, (pool = { members: [] }));
      return pool;
    };
    const healthy = new Set<string>();
    const routable = new Set<string>();
    const sides = new Set<Role>();
    for (const endpoint of endpoints) {
      const models = healthyModels(endpoint, excluded);
      if (models.size > 0) healthy.add(endpoint.id);
      if (asleep.has(endpoint.id)) continue;
      const role = roleOf ? roleOf(endpoint) : "decode";
      if (!role) continue;
      for (const model of new Set(endpoint.models)) poolOf(role, model).members.push(endpoint.id);
      if (models.size === 0) continue;
      routable.add(endpoint.id);
      sides.add(role);
      const candidate: Candidate = {
        endpoint,
        requests: loads.of(endpoint.id),
        get engine() {
          return loads.engine?.(endpoint.id);
        },
      };
      for (const model of models) {
        const pool = poolOf(role, model);
        if (pool.able) pool.able.push(candidate);
        else pool.able = [candidate];
      }
    }
    const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    loads.keepOnly(new Set(byId.keys()));
    loads.serving?.(routable);
    const [model, ...others] = new Set(endpoints.flatMap(({ models }) => models));
    const onlyModel = others.length === 0 ? model : undefined;
    // One side without the other serves nobody.
    const isWhole = !roleOf || sides.size === 2;
    const counts = { total: endpoints.length, healthy: healthy.size, routable: isWhole ? routable.size : 0 };
    const memberships = Object.values(pools).flatMap((byModel) =>
      [...byModel.values()].map(({ members }) => members),
    );
    service.see({ endpoints: byId, able: routable, pools: memberships });
    return { endpoints, asleep, excluded, pools, byId, onlyModel, healthy, counts, routable };
  };

  const current = (): Snapshot => {
    const { endpoints } = discovery;
    const { asleep } = sleep;
    const { excluded } = health;
    if (snapshot?.endpoints !== endpoints || snapshot.asleep !== asleep || snapshot.excluded !== excluded) {
      // Another engine under the name of one that is gone: what is known of that one goes first.
      const staying = endpoints.filter(({ id, instance }) => {
        const before = snapshot?.byId.get(id);
        return !before || before.instance === instance;
      });
      if (staying.length < endpoints.length) take(staying, asleep, excluded);
      snapshot = take(endpoints, asleep, excluded);
    }
    return snapshot;
  };

  const groupOf = (role: Role): EngineGroup =>
    createEngineGroup(
      {
        poolOf: (model) => current().pools[role].get(model),
        onlyModel: () => current().onlyModel,
        hasSeen: discovery.hasSeen,
        isEmpty: () => discovery.endpoints.length === 0,
        role: roleOf && role,
      },
      service,
    );

  return {
    ...groupOf("decode"),
    prefill: groupOf("prefill"),
    get endpoints() {
      return discovery.endpoints;
    },
    catchUp: () => void current(),
    find: (endpointId) => current().byId.get(endpointId),
    counts: () => {
      const { counts, routable } = current();
      const states = [...routable].map(service.stateOf);
      const ejected = states.filter((state) => state === "ejected" || state === "half_open").length;
      const starting = states.filter((state) => state === "slow_start").length;
      return { ...counts, ejected, starting };
    },
    stateOf: (endpointId) => {
      const { healthy, asleep } = current();
      if (!healthy.has(endpointId)) return "unhealthy";
      return asleep.has(endpointId) ? "asleep" : service.stateOf(endpointId);
    },
    setSleeping: sleep.set,
  };
};
