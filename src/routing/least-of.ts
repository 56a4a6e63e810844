/** The thing of the least weight; of those that share it one is drawn. */
export const leastOf = <Thing>(
  things: readonly [Thing, ...Thing[]],
  weigh: (thing: Thing, index: number) => number,
  random: () => number,
): Thing => {
  let best = things[0];
  let least = Infinity;
  let equals = 0;
  for (let index = 0; index < things.length; index += 1) {
    const thing = things[index] ?? best;
    const weight = weigh(thing, index);
    // Also where it cannot be compared.
    if (!(weight <= least)) continue;
    equals = weight < least ? 1 : equals + 1;
    least = weight;
    if (equals === 1 || random() * equals < 1) best = thing;
  }
  return best;
};

/** The same of plain numbers, of which a thousand are compared sooner than as many things are weighed: the place of the least. */
export const leastAt = (weights: Float64Array, random: () => number): number => {
  let best = 0;
  let least = Infinity;
  let equals = 0;
  for (let index = 0; index < weights.length; index += 1) {
    const weight = weights[index] ?? Infinity;
    if (!(weight <= least)) continue;
    equals = weight < least ? 1 : equals + 1;
    least = weight;
    if (equals === 1 || random() * equals < 1) best = index;
  }
  return best;
};
