import type { Clock } from "../core/clock.ts";

/** Virtual time: it stands still until a task is due, and then jumps there. */
export interface Timeline extends Clock {
  /** Runs `task` at `atMs`, or at once when that has passed; tasks due together run in the order they were set. */
  readonly at: (atMs: number, task: () => void) => Disposable;
  /** Takes the earliest task and moves time to it; `undefined` when nothing is left to do. */
  readonly next: () => (() => void) | undefined;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  /** Absent once it is called off. */
  task: (() => void) | undefined;
}

const isBefore = (left: Entry, right: Entry): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);

/** A timeline at 0 with nothing to do: a binary heap of tasks. */
export const createTimeline = (): Timeline => {
  const heap: Entry[] = [];
  let nowMs = 0;
  let orders = 0;

  const push = (entry: Entry): void => {
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (!parent || !isBefore(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  };

  const sink = (entry: Entry): void => {
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = heap[below];
      if (!child) break;
      const sibling = heap[below + 1];
      if (sibling && isBefore(sibling, child)) {
        child = sibling;
        below += 1;
      }
      if (!isBefore(child, entry)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = entry;
  };

  const pop = (): Entry | undefined => {
    const [first] = heap;
    const last = heap.pop();
    if (last && heap.length > 0) sink(last);
    return first;
  };

  const at = (atMs: number, task: () => void): Disposable => {
    const entry: Entry = { atMs: Math.max(atMs, nowMs), order: orders, task };
    orders += 1;
    push(entry);
    return {
      [Symbol.dispose]: () => {
        entry.task = undefined;
      },
    };
  };

  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, task) => at(nowMs + delayMs, task),
    at,
    next: () => {
      for (let entry = pop(); entry; entry = pop()) {
        if (!entry.task) continue;
        nowMs = entry.atMs;
        return entry.task;
      }
      return undefined;
    },
  };
};
