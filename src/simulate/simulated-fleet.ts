import type { Endpoint } from "../core/endpoint.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import { createFleet, type Fleet } from "../fleet/fleet.ts";
import type { SchedulerConfig } from "../mock-engine/scheduler.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import type { FaultEvent } from "./fault-events.ts";
import { createSimulatedEngine, type SimulatedEngine } from "./simulated-engine.ts";
import type { Timeline } from "./timeline.ts";

/** The model that all simulated engines serve. */
export const MODEL = "simulated";

/** An engine with what was said of it last. */
export interface FleetMember {
  readonly endpoint: Endpoint;
  readonly config: SchedulerConfig;
  readonly engine: SimulatedEngine;
  stats: EngineStats | undefined;
}

/** Engines, and the router's own view of them. */
export interface SimulatedFleet {
  /** All that there ever were. */
  readonly members: ReadonlyMap<string, FleetMember>;
  readonly fleet: Fleet;
  /** Lets something happen now. */
  readonly suffer: (event: FaultEvent) => void;
  /** Asks every engine for its state, as the scraper does. */
  readonly scrape: () => void;
}

/** Engines that are up and idle. The router learns at once which of them are gone: a refused connection tells it. */
export const createSimulatedFleet = (
  configs: readonly SchedulerConfig[],
  deps: {
    readonly timeline: Timeline;
    readonly ledger: RequestLedger;
    readonly onGap: (gapMs: number, count: number) => void;
    /** Told which engines can serve, whenever that may have changed. */
    readonly onServing: (endpointIds: ReadonlySet<string>) => void;
  },
): SimulatedFleet => {
  const members = new Map<string, FleetMember>();
  let endpoints: readonly Endpoint[] = [];
  let down: ReadonlySet<string> = new Set();
  const models: ReadonlySet<string> = new Set();
  let excluded = { engines: down, models };

  const add = (config: SchedulerConfig): void => {
    const id = `engine-${members.size + 1}`;
    const endpoint: Endpoint = { id, url: `http://${id}:8000`, models: [MODEL], addedAt: 0 };
    members.set(id, { endpoint, config, engine: createSimulatedEngine(config, deps), stats: undefined });
    endpoints = [...endpoints, endpoint];
  };
  for (const config of configs) add(config);

  const setDown = (ids: Iterable<string>): void => {
    down = new Set(ids);
    excluded = { engines: down, models };
  };

  const fleet = createFleet(
    {
      get endpoints() {
        return endpoints;
      },
      hasSeen: () => true,
      [Symbol.asyncDispose]: async () => undefined,
    },
    { ...deps.ledger, serving: deps.onServing, engine: (id) => members.get(id)?.stats },
    undefined,
    {
      health: {
        get excluded() {
          return excluded;
        },
      },
    },
  );

  return {
    members,
    fleet,
    suffer: (event) => {
      if (event.kind === "join") return add(event.config);
      const id = `engine-${event.engine + 1}`;
      const member = members.get(id);
      if (!member) return undefined;
      switch (event.kind) {
        case "slow":
          return member.engine.setSlowness(event.factor);
        case "return":
          return setDown([...down].filter((other) => other !== id));
        case "die":
          setDown([...down, id]);
          member.stats = undefined;
          return member.engine.die();
        default:
          return event satisfies never;
      }
    },
    scrape: () => {
      for (const [id, member] of members) if (!down.has(id)) member.stats = member.engine.stats();
    },
  };
};
