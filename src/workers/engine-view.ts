import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { EngineView } from "../engines.ts";
import type { Excluded } from "../health/engine-health.ts";

/** What is known of engines, as data that can be sent. Each part is replaced whole by every change. */
export interface ViewState {
  readonly endpoints: readonly Endpoint[];
  readonly asleep: ReadonlySet<string>;
  readonly excluded: Excluded;
  /** Monotonic milliseconds by engine. */
  readonly changedAt: ReadonlyMap<string, number>;
  /** Models that any engine has served. */
  readonly seen: ReadonlySet<string>;
  readonly readings: ReadonlyMap<string, EngineStats>;
  readonly places: EnginePlaces;
}

/** Where engines have their numbers in memory that is shared. */
export interface EnginePlaces {
  readonly slots: ReadonlyMap<string, number>;
  readonly version: number;
}

/** The parts that have changed. */
export type ViewChange = Partial<ViewState>;

/** Finds what changes in what is known of engines. */
export interface ViewWriter {
  /** What has changed since the last look; `undefined` where nothing has. */
  readonly look: (view: EngineView, places: EnginePlaces) => ViewChange | undefined;
  /** All of it, as it was at the last look. */
  readonly state: () => ViewState;
}

const isSameMap = <Value>(one: ReadonlyMap<string, Value>, other: ReadonlyMap<string, Value>): boolean =>
  one.size === other.size && one.entries().every(([key, value]) => other.get(key) === value);

/** By what an engine says it is known, of those that say anything. */
const mapOf = <Value>(
  endpoints: readonly Endpoint[],
  find: (endpointId: string) => Value | undefined,
): ReadonlyMap<string, Value> => {
  const found = new Map<string, Value>();
  for (const { id } of endpoints) {
    const value = find(id);
    if (value !== undefined) found.set(id, value);
  }
  return found;
};

/** Nothing is known at first. A look costs no more than a comparison for each engine. */
export const createViewWriter = (): ViewWriter => {
  let state: ViewState = {
    endpoints: [],
    asleep: new Set(),
    excluded: { engines: new Set(), models: new Set() },
    changedAt: new Map(),
    seen: new Set(),
    readings: new Map(),
    places: { slots: new Map(), version: 0 },
  };

  const seenIn = ({ endpoints, hasSeen }: EngineView): ReadonlySet<string> => {
    const all = new Set([...state.seen, ...endpoints.flatMap(({ models }) => models)]);
    return new Set([...all].filter(hasSeen));
  };

  return {
    look: (view, places) => {
      const { endpoints, asleep, excluded } = view;
      const readings = mapOf(endpoints, view.statsOf);
      const isElsewhere = endpoints !== state.endpoints;
      const change: ViewChange = {
        ...(isElsewhere && { endpoints, seen: seenIn(view) }),
        ...(asleep !== state.asleep && { asleep }),
        ...((isElsewhere || excluded !== state.excluded) && {
          excluded,
          changedAt: mapOf(endpoints, view.changedAt),
        }),
        ...(!isSameMap(readings, state.readings) && { readings }),
        ...(places.version !== state.places.version && { places }),
      };
      if (Object.keys(change).length === 0) return undefined;
      state = { ...state, ...change };
      return change;
    },
    state: () => state,
  };
};

/** What another thread knows of engines, as it was told last. */
export interface FollowedView extends EngineView {
  readonly slotOf: (endpointId: string) => number | undefined;
  readonly apply: (change: ViewChange) => void;
}

/** Follows what it is told; what has not changed stays the same object. */
export const followView = (first: ViewState): FollowedView => {
  let state = first;
  return {
    get endpoints() {
      return state.endpoints;
    },
    get asleep() {
      return state.asleep;
    },
    get excluded() {
      return state.excluded;
    },
    changedAt: (id) => state.changedAt.get(id),
    hasSeen: (model) => state.seen.has(model),
    statsOf: (id) => state.readings.get(id),
    slotOf: (id) => state.places.slots.get(id),
    apply: (change) => {
      state = { ...state, ...change };
    },
  };
};
