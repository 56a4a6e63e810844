const POINTS_PER_NODE = 160;

/** A consistent hash ring over node names. */
export interface HashRing {
  readonly nodes: ReadonlySet<string>;
  /**
   * The node of the first point after the key's hash whose node is `usable`. Because skipping a node's points
   * equals a ring without that node, one ring serves every subset of its nodes.
   */
  readonly find: (key: string, usable: (node: string) => boolean) => string | undefined;
}

/** 32-bit words of an MD5, the most significant first. */
const WORDS = 4;

/** Writes MD5s as such words. */
const createHasher = (): ((text: string, words: Uint32Array, at: number) => void) => {
  const digest = new Uint8Array(4 * WORDS);
  const view = new DataView(digest.buffer);
  return (text, words, at) => {
    Bun.MD5.hash(text, digest);
    for (let word = 0; word < WORDS; word += 1) words[at + word] = view.getUint32(4 * word);
  };
};

/** Orders the 128-bit integers that begin at two places. */
const compare = (left: Uint32Array, at: number, right: Uint32Array, rightAt: number): number => {
  for (let word = 0; word < WORDS; word += 1) {
    const difference = (left[at + word] ?? 0) - (right[rightAt + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/**
 * Points and lookup equal to Python's uhashring (its default "meta" ring, weight 1): MD5 of `{node}-{0..159}`,
 * and the first point strictly greater than the MD5 of the key, wrapping around. Points are numbers in a row, which
 * a search is quick to look at and the garbage collector does not.
 */
export const createHashRing = (names: Iterable<string>): HashRing => {
  const writeHash = createHasher();
  const nodes = new Set(names);
  const nodeList = [...nodes];
  const count = nodeList.length * POINTS_PER_NODE;
  const hashes = new Uint32Array(count * WORDS);
  nodeList.forEach((node, index) => {
    for (let point = 0; point < POINTS_PER_NODE; point += 1)
      writeHash(`${node}-${point}`, hashes, (index * POINTS_PER_NODE + point) * WORDS);
  });
  const order = Uint32Array.from({ length: count }, (_, point) => point).sort((left, right) =>
    compare(hashes, left * WORDS, hashes, right * WORDS),
  );
  const sorted = new Uint32Array(count * WORDS);
  order.forEach((point, place) => {
    sorted.set(hashes.subarray(point * WORDS, (point + 1) * WORDS), place * WORDS);
  });
  const key = new Uint32Array(WORDS);

  const firstAfterKey = (): number => {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(sorted, middle * WORDS, key, 0) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const nodeAt = (place: number): string | undefined =>
    nodeList[Math.floor((order[place] ?? 0) / POINTS_PER_NODE)];

  return {
    nodes,
    find: (text, usable) => {
      writeHash(text, key, 0);
      const start = firstAfterKey();
      for (let step = 0; step < count; step += 1) {
        const node = nodeAt((start + step) % count);
        if (node !== undefined && usable(node)) return node;
      }
      return undefined;
    },
  };
};
