/** What engines hold of a prefix table, and what they can; all of it 0 at first. */
export interface AccountsMemory {
  /** By group of engines, a bit each: those that there are, and those that hold more than their limit. */
  readonly live: number[] | Int32Array;
  readonly overfull: number[] | Int32Array;
  /** By engine, in bytes. */
  readonly held: number[] | Float64Array;
  readonly limits: number[] | Float64Array;
}

/** The accounts of engines, each by its place. */
export interface PrefixAccounts {
  readonly open: (engine: number) => void;
  readonly close: (engine: number) => void;
  /** It holds so many bytes more. */
  readonly hold: (engine: number, bytes: number) => void;
  readonly limit: (engine: number, bytes: number) => void;
  readonly isLive: (engine: number) => boolean;
  readonly heldBy: (engine: number) => number;
  /** Whether any engine holds more than its limit. */
  readonly isOverfull: () => boolean;
  /** How many groups of engines there are, and how many of these hold too much; set where another thread left them. */
  groups: number;
  groupsOverfull: number;
}

const bitOf = (engine: number): number => 1 << (engine & 31);

/** Accounts in this memory. */
export const createPrefixAccounts = ({ live, overfull, held, limits }: AccountsMemory): PrefixAccounts => {
  const setOverfull = (engine: number): void => {
    const group = engine >>> 5;
    const before = overfull[group] ?? 0;
    const isMore = (held[engine] ?? 0) > (limits[engine] ?? Infinity);
    const after = isMore ? before | bitOf(engine) : before & ~bitOf(engine);
    overfull[group] = after;
    if (before === 0 && after !== 0) accounts.groupsOverfull += 1;
    if (before !== 0 && after === 0) accounts.groupsOverfull -= 1;
  };

  const accounts: PrefixAccounts = {
    groups: 0,
    groupsOverfull: 0,
    open: (engine) => {
      const group = engine >>> 5;
      live[group] = (live[group] ?? 0) | bitOf(engine);
      overfull[group] ??= 0;
      held[engine] = 0;
      limits[engine] = Infinity;
      accounts.groups = Math.max(accounts.groups, group + 1);
    },
    close: (engine) => {
      const group = engine >>> 5;
      live[group] = (live[group] ?? 0) & ~bitOf(engine);
      held[engine] = 0;
      setOverfull(engine);
    },
    hold: (engine, bytes) => {
      held[engine] = (held[engine] ?? 0) + bytes;
      setOverfull(engine);
    },
    limit: (engine, bytes) => {
      limits[engine] = bytes;
      setOverfull(engine);
    },
    isLive: (engine) => ((live[engine >>> 5] ?? 0) & bitOf(engine)) !== 0,
    heldBy: (engine) => held[engine] ?? 0,
    isOverfull: () => accounts.groupsOverfull > 0,
  };
  return accounts;
};
