/** One KV-cache block; only the pool writes to it. */
export interface Block {
  /** Sequences that use the block now; a block of none stays cached until it is taken for something else. */
  users: number;
  /** Chained hash of the tokens up to the block's end; absent while the block is not full. */
  hash: number | undefined;
  /** Another block of the same hash, sealed after this one. */
  twin: Block | undefined;
  older: Block | undefined;
  newer: Block | undefined;
}

/** The KV cache of one engine: blocks, who uses them, and which prefixes they still hold. */
export interface BlockPool {
  /** Blocks that sequences can use at once. */
  readonly capacity: number;
  readonly freeCount: () => number;
  /** Blocks whose contents could be found again by hash. */
  readonly cachedCount: () => number;
  /** The longest run of cached blocks from the start of `hashes`, looking at `limit` hashes at most. */
  readonly match: (hashes: ArrayLike<number>, limit: number) => readonly Block[];
  /**
   * Appends `matched` and then `count` new blocks to `blocks`, or changes nothing and returns false when there
   * are too few. New blocks come from the oldest free ones, which forget what they held.
   */
  readonly allocate: (blocks: Block[], matched: readonly Block[], count: number) => boolean;
  /** Makes a full block findable by its hash. */
  readonly seal: (block: Block, hash: number) => void;
  /** Gives all blocks of a sequence back, its tail first, so that a prefix outlives what followed it. */
  readonly release: (blocks: Block[]) => void;
  /** Forgets every cached prefix; false, changing nothing, while any block is in use. */
  readonly reset: () => boolean;
}

/** A pool of `capacity` blocks with vLLM's rules: reference counts, and a free queue in least-recently-used order. */
export const createBlockPool = (capacity: number): BlockPool => {
  const byHash = new Map<number, Block>();
  const seam: Block = { users: 0, hash: undefined, twin: undefined, older: undefined, newer: undefined };
  // A ring with `seam` as its seam: `seam.newer` is the oldest free block, `seam.older` the newest.
  seam.older = seam;
  seam.newer = seam;
  let recycled = 0;
  let created = 0;

  const unlink = (block: Block): void => {
    if (block.older) block.older.newer = block.newer;
    if (block.newer) block.newer.older = block.older;
    block.older = undefined;
    block.newer = undefined;
    recycled -= 1;
  };

  const enqueue = (block: Block): void => {
    const newest = seam.older ?? seam;
    newest.newer = block;
    block.older = newest;
    block.newer = seam;
    seam.older = block;
    recycled += 1;
  };

  const forget = (block: Block): void => {
    if (block.hash === undefined) return;
    const first = byHash.get(block.hash);
    if (first !== block) {
      let before = first;
      while (before && before.twin !== block) before = before.twin;
      if (before) before.twin = block.twin;
    } else if (block.twin) byHash.set(block.hash, block.twin);
    else byHash.delete(block.hash);
    block.hash = undefined;
    block.twin = undefined;
  };

  const freeCount = (): number => capacity - created + recycled;

  const take = (): Block => {
    if (created < capacity) {
      created += 1;
      return { users: 1, hash: undefined, twin: undefined, older: undefined, newer: undefined };
    }
    const block = seam.newer ?? seam;
    unlink(block);
    forget(block);
    block.users = 1;
    return block;
  };

  return {
    capacity,
    freeCount,
    cachedCount: () => byHash.size,

    match: (hashes, limit) => {
      const found: Block[] = [];
      for (let index = 0; index < limit; index += 1) {
        const hash = hashes[index];
        const block = hash === undefined ? undefined : byHash.get(hash);
        if (!block) break;
        found.push(block);
      }
      return found;
    },

    allocate: (blocks, matched, count) => {
      let idle = 0;
      for (const block of matched) if (block.users === 0) idle += 1;
      if (count + idle > freeCount()) return false;
      for (const block of matched) {
        if (block.users === 0) unlink(block);
        block.users += 1;
        blocks.push(block);
      }
      for (let taken = 0; taken < count; taken += 1) blocks.push(take());
      return true;
    },

    seal: (block, hash) => {
      if (block.hash !== undefined) return;
      block.hash = hash;
      // Two sequences may compute the same prefix at the same time; either copy serves once the other is gone.
      let last = byHash.get(hash);
      while (last?.twin) last = last.twin;
      if (last) last.twin = block;
      else byHash.set(hash, block);
    },

    release: (blocks) => {
      for (let block = blocks.pop(); block; block = blocks.pop()) {
        block.users -= 1;
        if (block.users === 0) enqueue(block);
      }
    },

    reset: () => {
      if (freeCount() !== capacity) return false;
      for (let block = seam.newer; block && block !== seam; block = block.newer) {
        block.hash = undefined;
        block.twin = undefined;
      }
      byHash.clear();
      return true;
    },
  };
};
