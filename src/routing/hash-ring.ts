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

// Fixed-length hexadecimal digits order as the 128-bit integers that they write.
const hash = (text: string): string => new Bun.CryptoHasher("md5").update(text).digest("hex");

/**
 * Points and lookup equal to Python's uhashring (its default "meta" ring, weight 1): MD5 of `{node}-{0..159}`,
 * and the first point strictly greater than the MD5 of the key, wrapping around.
 */
export const createHashRing = (names: Iterable<string>): HashRing => {
  const nodes = new Set(names);
  const points = [...nodes]
    .flatMap((node) =>
      Array.from({ length: POINTS_PER_NODE }, (_, index) => ({ at: hash(`${node}-${index}`), node })),
    )
    .sort((left, right) => (left.at < right.at ? -1 : 1));

  const firstAfter = (at: string): number => {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const point = points[middle];
      if (point !== undefined && point.at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    nodes,
    find: (key, usable) => {
      const start = firstAfter(hash(key));
      for (let step = 0; step < points.length; step += 1) {
        const node = points[(start + step) % points.length]?.node;
        if (node !== undefined && usable(node)) return node;
      }
      return undefined;
    },
  };
};
