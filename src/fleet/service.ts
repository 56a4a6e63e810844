import type { Endpoint } from "../core/endpoint.ts";
import type { Lineup, Outliers } from "../health/outliers.ts";
import { type Trial, unjudged } from "../health/trials.ts";
import {
  type Able,
  holdBack,
  isPanic,
  type PanicMode,
  type ServiceState,
  shutOut,
  type Standing,
} from "../health/pool.ts";
import type { Candidates } from "../routing/policy.ts";

/** The engines of a model. */
export interface Pool {
  /** Those that can serve, by discovery and health; absent where there are none. */
  readonly able?: Candidates | undefined;
  /** Ids of all that are awake, able or not. */
  readonly members: readonly string[];
}

/** Which of the engines that can serve get requests. */
export interface Service {
  /** Those of a pool that may get a request: the very same array while all of them may. */
  readonly open: (pool: Pool) => Candidates | undefined;
  /** What one request chooses from: engines in slow start are left out more often than not. */
  readonly draw: (candidates: Candidates) => Candidates;
  /** A request is sent; `undefined` where the engine may not have one any more. */
  readonly begin: (endpoint: Endpoint, pool: Pool | undefined) => Trial | undefined;
  /** Whether so few of a pool are left that they must not be asked for more than they are. */
  readonly isPanic: (pool: Pool) => boolean;
  readonly stateOf: (endpointId: string) => ServiceState;
  readonly see: (lineup: Lineup) => void;
}

interface ServiceOptions {
  readonly outliers: Outliers;
  readonly panicMode: PanicMode;
  /** Told of an engine to which no connection can be made. */
  readonly suspect?: ((endpointId: string) => void) | undefined;
  /** Whether another router took over, whose engines count from then on. */
  readonly isOver?: (() => boolean) | undefined;
}

/** Parts of a set that are kept, so that policies find what they derived from them; beyond that all are made anew. */
const MAX_PARTS = 64;

/** Every engine gets requests, whatever becomes of them. */
export const everyone: Service = {
  open: ({ able }) => able,
  draw: (candidates) => candidates,
  begin: () => unjudged,
  isPanic: () => false,
  stateOf: () => "serving",
  see: () => {},
};

/** Leaves out engines that are ejected or in slow start; while there are none it costs one look. */
export const createService = (
  { outliers, panicMode, suspect, isOver }: ServiceOptions,
  { random }: { readonly random: () => number },
): Service => {
  const parts = new WeakMap<Candidates, Map<string, Candidates>>();
  const places = new WeakMap<Candidates, ReadonlyMap<string, number>>();

  const ableOf = (candidates: Candidates): Able => {
    let placeOf = places.get(candidates);
    if (!placeOf) {
      placeOf = new Map(candidates.map(({ endpoint }, place) => [endpoint.id, place]));
      places.set(candidates, placeOf);
    }
    const unusual = new Map<number, Standing>();
    for (const id of outliers.unusual()) {
      const place = placeOf.get(id);
      if (place !== undefined) unusual.set(place, outliers.standingOf(id));
    }
    return { count: candidates.length, unusual };
  };

  const without = (candidates: Candidates, left: readonly number[]): Candidates | undefined => {
    if (left.length === 0) return candidates;
    const key = left.join();
    const known = parts.get(candidates) ?? new Map<string, Candidates>();
    const part = known.get(key);
    if (part) return part;
    const [first, ...others] = candidates.filter((_, place) => !left.includes(place));
    if (!first) return undefined;
    if (known.size >= MAX_PARTS) known.clear();
    const added: Candidates = [first, ...others];
    parts.set(candidates, known.set(key, added));
    return added;
  };

  const open = ({ able, members }: Pool): Candidates | undefined =>
    able && !outliers.isQuiet() ? without(able, shutOut(ableOf(able), members.length, panicMode)) : able;

  /** Whether an engine may have a request beside the one that probes it, whether there is one at this moment or not. */
  const isLetInBeside = ({ able, members }: Pool, id: string): boolean => {
    const place = able?.findIndex(({ endpoint }) => endpoint.id === id) ?? -1;
    if (!able || place < 0) return false;
    const { count, unusual } = ableOf(able);
    const probed = new Map([...unusual, [place, { ...outliers.standingOf(id), isOpen: false }]]);
    return !shutOut({ count, unusual: probed }, members.length, panicMode).includes(place);
  };

  return {
    open,
    draw: (candidates) =>
      outliers.isQuiet()
        ? candidates
        : (without(candidates, holdBack(ableOf(candidates), random)) ?? candidates),
    begin: (endpoint, pool) => {
      if (!pool || outliers.isQuiet()) return outliers.begin(endpoint, suspect);
      const { id } = endpoint;
      if (!outliers.standingOf(id).isOpen && !isLetInBeside(pool, id)) return undefined;
      const trial = outliers.begin(endpoint, suspect);
      // In another thread a request may have begun to probe it at this moment, and have ended since.
      if (!trial.isBeside || isLetInBeside(pool, id)) return trial;
      trial.end("left");
      return undefined;
    },
    isPanic: ({ able, members }) => !able || isPanic(ableOf(able), members.length),
    stateOf: (endpointId) => outliers.standingOf(endpointId).state,
    see: (lineup) => {
      if (isOver?.() !== true) outliers.see(lineup);
    },
  };
};
