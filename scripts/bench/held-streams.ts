/** Streams that get an event at every gap until they are closed. */
export interface HeldStreams<Sink> {
  readonly open: (sink: Sink) => void;
  readonly close: (sink: Sink) => void;
  /** How many are open. */
  readonly count: () => number;
  /** Sends what became due since the last call. To be called at every tick. */
  readonly tick: () => void;
}

interface HeldStreamsDeps<Sink> {
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  readonly send: (sink: Sink) => void;
}

/** Length of a tick in milliseconds; events are due at whole ticks. */
export const TICK_MS = 1;

/**
 * Spreads the streams evenly over the gap, so that what a relay adds to a chunk is not the wait behind all others.
 * A tick that comes late sends what the lost ones would have: the rate holds.
 */
export const createHeldStreams = <Sink>(
  gapMs: number,
  { monotonic, send }: HeldStreamsDeps<Sink>,
): HeldStreams<Sink> => {
  const slots = Array.from({ length: Math.max(1, Math.round(gapMs / TICK_MS)) }, () => new Set<Sink>());
  const slotOf = new Map<Sink, Set<Sink>>();
  const startedAt = monotonic();
  let opened = 0;
  let ticks = 0;
  return {
    open: (sink) => {
      const slot = slots[opened % slots.length] ?? new Set();
      opened += 1;
      slot.add(sink);
      slotOf.set(sink, slot);
    },
    close: (sink) => {
      slotOf.get(sink)?.delete(sink);
      slotOf.delete(sink);
    },
    count: () => slotOf.size,
    tick: () => {
      const due = Math.floor((monotonic() - startedAt) / TICK_MS);
      // Nobody is owed the events of a time without streams.
      if (slotOf.size === 0) ticks = due;
      for (; ticks < due; ticks += 1) for (const sink of slots[ticks % slots.length] ?? []) send(sink);
    },
  };
};
