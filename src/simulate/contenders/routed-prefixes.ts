/** Which prefixes were sent to which engine: what it holds in its cache, if the caches are as one thinks. */
export interface RoutedPrefixes {
  /** How many of the first `count` blocks were sent to the engine before, without a gap. */
  readonly match: (endpointId: string, hashes: ArrayLike<number>, count: number) => number;
  readonly add: (endpointId: string, hashes: ArrayLike<number>, count: number) => void;
  readonly keepOnly: (endpointIds: ReadonlySet<string>) => void;
}

/** Remembers `capacity` blocks for each engine, those that were used last. */
export const createRoutedPrefixes = (capacity: number): RoutedPrefixes => {
  const engines = new Map<string, Set<number>>();
  return {
    match: (id, hashes, count) => {
      const known = engines.get(id);
      if (!known) return 0;
      let matched = 0;
      while (matched < count && known.has(hashes[matched] ?? Number.NaN)) matched += 1;
      return matched;
    },
    add: (id, hashes, count) => {
      const known = engines.get(id) ?? new Set<number>();
      engines.set(id, known);
      // The tail first, so that a prefix outlives what followed it.
      for (let index = count - 1; index >= 0; index -= 1) {
        const hash = hashes[index] ?? 0;
        known.delete(hash);
        known.add(hash);
      }
      for (const oldest of known) {
        if (known.size <= capacity) break;
        known.delete(oldest);
      }
    },
    keepOnly: (ids) => {
      for (const id of engines.keys()) if (!ids.has(id)) engines.delete(id);
    },
  };
};
