import { createAccounts, joinFleet } from "../engine-fleet.ts";
import type { createEngines, EngineView } from "../engines.ts";

interface FollowedDeps {
  /** What another thread knows of engines. */
  readonly view: EngineView;
  /** Told of an engine to which no connection can be made. */
  readonly suspect: (endpointId: string) => void;
}

/** Engines that another thread finds and checks; requests to them are counted here. */
export const followEngines =
  ({ view, suspect }: FollowedDeps): typeof createEngines =>
  (config, { sharing, clock, log, random, metrics, onServing }, previous) => {
    const { requests, outliers } = createAccounts(
      config,
      { sharing, clock, log, random, onEjected: metrics.ejected, healthChangedAt: view.changedAt },
      previous,
    );
    const discovery = {
      get endpoints() {
        return view.endpoints;
      },
      hasSeen: view.hasSeen,
      [Symbol.asyncDispose]: async () => {},
    };
    // Who is put to sleep is decided where all else is known.
    const sleep = {
      get asleep() {
        return view.asleep;
      },
      set: () => {},
      keepOnly: () => {},
    };
    const health = {
      get excluded() {
        return view.excluded;
      },
      suspect,
    };
    const { statsOf } = view;
    const known = { discovery, sleep, health, statsOf, requests, outliers };
    // That engines come and go is counted where they are found.
    const fleet = joinFleet(config, known, { random, metrics: { engines: () => {} }, onServing });
    return {
      fleet,
      requests,
      discovery,
      statsOf,
      view: () => view,
      suspect,
      legacy: () => ({
        requests,
        outliers,
        outlierOptions: config.outliers,
        sleep,
        health: new Map(),
        readings: new Map(),
        endpoints: view.endpoints,
        seen: new Set(),
      }),
      [Symbol.asyncDispose]: async () => fleet[Symbol.dispose](),
    };
  };
