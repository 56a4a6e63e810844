import type { Config } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import { joinCells } from "./core/engine-cells.ts";
import type { EngineStats } from "./core/engine-stats.ts";
import type { Log } from "./core/log.ts";
import type { Discovery } from "./discovery/discovery.ts";
import { createFleet, type Fleet } from "./fleet/fleet.ts";
import { createService } from "./fleet/service.ts";
import type { SleepStates } from "./fleet/sleep-states.ts";
import type { EngineHealth } from "./health/engine-health.ts";
import { joinCourt } from "./health/court.ts";
import { createOutliers, type Outliers } from "./health/outliers.ts";
import type { RouterMetrics } from "./metrics/router-metrics.ts";
import { rolesBy } from "./routing/index.ts";
import type { Sharing } from "./sharing.ts";
import { createRequestLedger, type RequestLedger } from "./stats/request-ledger.ts";

/** What is counted of requests to engines, and what these say of them. */
interface Accounts {
  readonly requests: RequestLedger;
  readonly outliers: Outliers;
}

/** The same, with the options by which engines were judged. */
export interface JudgedAccounts extends Accounts {
  readonly outlierOptions: Config["outliers"];
}

/** What accounts are kept with. */
export interface AccountsDeps {
  /** Absent where no other thread counts. */
  readonly sharing?: Sharing | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly healthChangedAt: (endpointId: string) => number | undefined;
  readonly onEjected: RouterMetrics["ejected"];
}

/** Goes on with the accounts of before, and with the judgement where its options are the same. */
export const createAccounts = (config: Config, deps: AccountsDeps, previous?: JudgedAccounts): Accounts => {
  const isSameJudge =
    previous !== undefined && Bun.deepEquals(previous.outlierOptions, config.outliers, true);
  const { sharing } = deps;
  const windowMs = config.requestStatsWindowSeconds * 1000;
  const court = sharing && joinCourt(sharing.memory.court, sharing.seat);
  const find = sharing && joinCells(sharing.memory.ledger, sharing.seat);
  return {
    requests: previous?.requests ?? createRequestLedger({ windowMs, find }, deps),
    outliers: isSameJudge
      ? previous.outliers
      : createOutliers(config.outliers ?? { slowStartMs: 0 }, { ...deps, court }),
  };
};

interface Known extends Accounts {
  readonly discovery: Discovery;
  readonly sleep: SleepStates;
  readonly health: Pick<EngineHealth, "excluded" | "suspect">;
  /** What an engine says of itself. */
  readonly statsOf: (endpointId: string) => EngineStats | undefined;
}

interface FleetDeps {
  /** From 0, below 1. */
  readonly random: () => number;
  readonly metrics: Pick<RouterMetrics, "engines">;
  /** Told the ids of all engines that can serve, whenever they may have changed. */
  readonly onServing: (endpointIds: ReadonlySet<string>) => void;
}

/** The fleet of what is known; once it is disposed of, another one's word counts. */
export const joinFleet = (
  config: Config,
  { discovery, sleep, health, statsOf, requests, outliers }: Known,
  { random, metrics, onServing }: FleetDeps,
): Fleet & Disposable => {
  let isOver = false;
  const service = createService(
    {
      outliers,
      panicMode: config.outliers?.panicMode ?? "route",
      suspect: health.suspect,
      isOver: () => isOver,
    },
    { random },
  );
  const loads = {
    of: requests.of,
    // Requests that are still under way here must not close the accounts of the router that took over.
    keepOnly: (ids: ReadonlySet<string>) => {
      if (isOver) return;
      requests.keepOnly(ids);
      metrics.engines(ids);
    },
    serving: (ids: ReadonlySet<string>) => {
      if (!isOver) onServing(ids);
    },
    engine: statsOf,
  };
  const fleet = createFleet(discovery, loads, sleep, { health, roleOf: rolesBy(config.routing), service });
  return Object.assign(fleet, {
    [Symbol.dispose]: () => {
      isOver = true;
    },
  });
};
