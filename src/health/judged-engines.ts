import { type EngineCells, setTime, timeAt } from "../core/engine-cells.ts";
import { type Breaker, type BreakerOptions, createBreaker } from "./breaker.ts";
import { BUSY_UNTIL, type Court, SLOW_SINCE } from "./court.ts";

/** An engine with what is judged of it. */
export interface Judged {
  readonly id: string;
  readonly url: string;
  readonly cells: EngineCells;
  readonly state: Float64Array;
  /** Absent where no engine is ejected. */
  readonly breaker: Breaker | undefined;
}

/** The engines of a court, as one thread knows them. */
export interface JudgedEngines {
  /** Known from now on. */
  readonly of: (id: string, url: string) => Judged;
  readonly get: (id: string) => Judged | undefined;
  readonly isOut: (id: string) => boolean;
  /** Ids of those that may get less than their share. */
  readonly unusual: () => readonly string[];
  /** It gets less than its share since then, or all of it. */
  readonly slow: (judged: Judged, since: number | undefined) => void;
  /** It gets less than its share until then, or all of it. */
  readonly busy: (judged: Judged, until: number | undefined) => void;
  readonly keepOnly: (ids: ReadonlyMap<string, unknown>) => void;
}

interface JudgedDeps {
  readonly breaker: BreakerOptions | undefined;
  readonly court: Court;
  /** From 0, below 1. */
  readonly random: () => number;
}

/** Since when an engine gets less than its share; absent where it gets all of it. */
export const slowSince = ({ state }: Judged): number | undefined => timeAt(state, SLOW_SINCE);

/** Until when an engine gets less than its share because it had no room; absent where it has some. */
export const busyUntil = ({ state }: Judged): number | undefined => timeAt(state, BUSY_UNTIL);

/** Nobody is known at first. */
export const createJudgedEngines = ({ breaker: options, court, random }: JudgedDeps): JudgedEngines => {
  const engines = new Map<string, Judged>();
  let unusual: readonly string[] = [];
  let version: number | undefined;

  const isOut = (id: string): boolean => engines.get(id)?.breaker?.isOpen() === true;

  const open = (id: string, url: string, cells: EngineCells): Judged => {
    const { own: state } = cells;
    const { findRows, nextProbe } = court;
    const rows = findRows && (() => findRows(id));
    const breaker = options && createBreaker(options, { random, state, rows, nextProbe });
    const judged = { id, url, cells, state, breaker };
    engines.set(id, judged);
    // What other threads judged of it is news here.
    version = undefined;
    return judged;
  };

  return {
    of: (id, url) => {
      const known = engines.get(id);
      const cells = court.findState(id, known?.cells);
      return known?.cells === cells ? known : open(id, url, cells);
    },
    get: (id) => engines.get(id),
    isOut,
    unusual: () => {
      const now = court.version();
      if (now !== version) {
        unusual = [...engines.values()].flatMap((judged) =>
          isOut(judged.id) || (slowSince(judged) ?? busyUntil(judged)) !== undefined ? [judged.id] : [],
        );
        version = now;
      }
      return unusual;
    },
    slow: ({ state }, since) => {
      setTime(state, SLOW_SINCE, since);
      court.changed();
    },
    busy: ({ state }, until) => {
      setTime(state, BUSY_UNTIL, until);
      court.changed();
    },
    keepOnly: (ids) => {
      for (const id of engines.keys()) if (!ids.has(id)) engines.delete(id);
      version = undefined;
    },
  };
};
