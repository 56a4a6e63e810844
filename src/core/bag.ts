/** Something that can be in a bag; only the bag sets its place. */
export interface Bagged {
  /** `undefined` while it is in none. */
  place: number | undefined;
}

/** Things in no order that come and go with every request. */
export interface Bag<Thing extends Bagged> {
  readonly add: (thing: Thing) => void;
  /** Does nothing where it is not in the bag. */
  readonly remove: (thing: Thing) => void;
  /** The things that are there now, for a walk on which some may come and go. */
  readonly all: () => readonly Thing[];
}

/**
 * An empty bag. A `Set` would do the same, but its outgrown tables lead from one to the next: what was taken out of
 * an old one stays in memory until all of it is collected, and every small collection before has to walk over it.
 */
export const createBag = <Thing extends Bagged>(): Bag<Thing> => {
  const things: Thing[] = [];
  return {
    all: () => things.slice(),
    add: (thing) => {
      if (thing.place !== undefined) return;
      thing.place = things.length;
      things.push(thing);
    },
    remove: (thing) => {
      const { place } = thing;
      if (place === undefined) return;
      thing.place = undefined;
      const last = things.pop();
      if (!last || last === thing) return;
      things[place] = last;
      last.place = place;
    },
  };
};
