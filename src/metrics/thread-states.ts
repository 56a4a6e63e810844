import type { Clock } from "../core/clock.ts";
import { catalog, type MetricName } from "./catalog.ts";
import { addsUp, createRegistry, type MetricsState, type SeriesState } from "./registry.ts";

/** What other threads have counted, each by its row. */
export interface ThreadStates {
  /** A thread said what it has counted since it began. */
  readonly tell: (row: number, state: MetricsState) => void;
  /** A thread is gone: what it counted stays, for a counter never goes back. */
  readonly bury: (row: number) => void;
  /** All of it: of a thread that says nothing now what it said last. */
  readonly all: (servers: ReadonlySet<string>) => readonly MetricsState[];
}

/** What is left of a thread: what was under way in it is over. */
const atRest = (name: MetricName, list: readonly SeriesState[]): readonly SeriesState[] =>
  catalog[name].type === "gauge" ? list.map((each) => ({ ...each, numbers: [0] })) : list;

/** Keeps what threads say of what they count. */
export const createThreadStates = (deps: { readonly clock: Pick<Clock, "now"> }): ThreadStates => {
  const gone = createRegistry(deps);
  const last = new Map<number, MetricsState>();
  return {
    tell: (row, state) => {
      last.set(row, state);
    },
    bury: (row) => {
      const state = last.get(row);
      if (state) gone.include(new Map([...state].map(([name, list]) => [name, atRest(name, list)])));
      last.delete(row);
    },
    all: (servers) => {
      gone.keepServers(servers);
      return [gone.state(addsUp), ...last.values()];
    },
  };
};
