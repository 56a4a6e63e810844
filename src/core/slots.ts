import type { Endpoint } from "./endpoint.ts";

/** Which slot of shared memory each engine has; a slot goes to another engine only when no thread uses it any more. */
export interface Slots {
  /** The engines that there are now; gives slots by their ids, the same map while nothing changes. */
  readonly see: (endpoints: readonly Pick<Endpoint, "id" | "instance">[]) => ReadonlyMap<string, number>;
  /** Of the map that was given last. */
  readonly version: () => number;
  /** From now on a thread uses no older map; it counts as one of those that do until it is gone. */
  readonly acknowledged: (row: number, version: number) => void;
  readonly gone: (row: number) => void;
}

interface SlotsOptions {
  /** Engines that there is room for. */
  readonly size: number;
  /** Whether something is under way on the engine of a slot. */
  readonly isBusy: (slot: number) => boolean;
  /** Forgets what is known of the engine of a slot. */
  readonly clear: (slot: number) => void;
  /** Told once that engines have no slot. */
  readonly onFull: () => void;
}

interface Retired {
  readonly slot: number;
  /** The first version without it. */
  readonly since: number;
}

const keyOf = ({ id, instance = "" }: Pick<Endpoint, "id" | "instance">): string => `${id}\n${instance}`;

/** All slots are free at first. */
export const createSlots = ({ size, isBusy, clear, onFull }: SlotsOptions): Slots => {
  const slots = new Map<string, number>();
  const retired = new Map<string, Retired>();
  const versions = new Map<number, number>();
  const free: number[] = [];
  let used = 0;
  let version = 0;
  let current: ReadonlyMap<string, number> = new Map();
  let isFull = false;

  const reclaim = (): void => {
    const oldest = Math.min(...versions.values());
    for (const [key, { slot, since }] of retired) {
      if (oldest < since || isBusy(slot)) continue;
      clear(slot);
      retired.delete(key);
      free.push(slot);
    }
  };

  const take = (key: string): number | undefined => {
    // An engine that was away for a moment goes on with its accounts.
    const before = retired.get(key)?.slot;
    retired.delete(key);
    const slot = before ?? free.pop() ?? (used < size ? used++ : undefined);
    if (slot !== undefined) slots.set(key, slot);
    else if (!isFull) {
      isFull = true;
      onFull();
    }
    return slot;
  };

  return {
    see: (endpoints) => {
      const keys = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint.id]));
      for (const [key, slot] of slots) {
        if (keys.has(key)) continue;
        slots.delete(key);
        retired.set(key, { slot, since: version + 1 });
      }
      reclaim();
      const next = new Map<string, number>();
      for (const [key, id] of keys) {
        const slot = slots.get(key) ?? take(key);
        if (slot !== undefined) next.set(id, slot);
      }
      if (Bun.deepEquals(next, current)) return current;
      version += 1;
      current = next;
      return current;
    },
    version: () => version,
    acknowledged: (row, seen) => {
      versions.set(row, seen);
      reclaim();
    },
    gone: (row) => {
      versions.delete(row);
    },
  };
};
