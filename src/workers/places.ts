import type { Config } from "../config/config.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import { allocateSharing, bury, createMemorySlots, renewSharing, type Sharing } from "../sharing.ts";
import type { EnginePlaces } from "./engine-view.ts";

interface PlacesOptions {
  readonly workers: number;
  /** The first one. */
  readonly config: Config;
  /** Engines as the control plane knows them now; none before it knows any. */
  readonly endpoints: () => readonly Endpoint[];
}

/** The memory that a control plane and its workers share, and where engines have their numbers in it. */
export interface Places {
  /** The control plane's own part in it. */
  readonly sharing: Sharing;
  /** Of the engines that there are now. */
  readonly now: () => EnginePlaces;
  /** Another configuration comes. */
  readonly renew: (config: Config) => void;
  /** From now on a worker uses no older places. */
  readonly acknowledged: (row: number, version: number) => void;
  /** A worker has ended: what it had under way is over, and another one may have its row. */
  readonly bury: (row: number) => void;
}

/** Memory for so many workers. */
export const createPlaces = (
  { workers, config: first, endpoints }: PlacesOptions,
  { log }: { readonly log: Log },
): Places => {
  let config = first;
  // The first row is the control plane's.
  let memory = allocateSharing(workers + 1, config);
  const sharing: Sharing = {
    get memory() {
      return memory;
    },
    seat: { row: 0, slotOf: (endpointId) => now().slots.get(endpointId) },
  };
  const slots = createMemorySlots(sharing, { log });
  let known = endpoints();
  let places: EnginePlaces = { slots: slots.see(known), version: slots.version() };

  const now = (): EnginePlaces => {
    const current = endpoints();
    if (current !== known) places = { slots: slots.see(current), version: slots.version() };
    known = current;
    return places;
  };

  return {
    sharing,
    now,
    renew: (next) => {
      memory = renewSharing(memory, config, next);
      config = next;
    },
    acknowledged: slots.acknowledged,
    bury: (row) => {
      slots.gone(row);
      bury(memory, row);
    },
  };
};
