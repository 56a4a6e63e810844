/** Which engines were put to sleep; shared by a router and the one that takes over from it. */
export interface SleepStates {
  /** Ids of sleeping engines; replaced as a whole when anything changes, never edited. */
  readonly asleep: ReadonlySet<string>;
  readonly set: (endpointId: string, asleep: boolean) => void;
  /** Forgets engines that are gone. */
  readonly keepOnly: (endpointIds: ReadonlySet<string>) => void;
}

/** All engines awake. */
export const createSleepStates = (): SleepStates => {
  let ids: ReadonlySet<string> = new Set();
  return {
    get asleep() {
      return ids;
    },
    set: (endpointId, asleep) => {
      if (ids.has(endpointId) === asleep) return;
      const others = [...ids].filter((id) => id !== endpointId);
      ids = new Set(asleep ? [...others, endpointId] : others);
    },
    keepOnly: (endpointIds) => {
      if (!ids.isSubsetOf(endpointIds)) ids = ids.intersection(endpointIds);
    },
  };
};
