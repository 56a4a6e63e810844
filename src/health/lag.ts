import type { Clock } from "../core/clock.ts";

const TICK_MS = 100;

/** A delay of the event loop beyond which an answer that is missing says more of the router than of the engine. */
export const MOST_LAG_MS = 250;

/** Tells whether the event loop was held up while something was watched. */
export interface LagMeter {
  /** Measures until the result is disposed; any number of watches may overlap. */
  readonly watch: () => Disposable;
  /** Whether the loop has lagged since a monotonic time at which a watch was on. */
  readonly hasLaggedSince: (at: number) => boolean;
}

/** A timer that should come every 100 ms, and only while somebody watches: its delay is the lag. */
export const createLagMeter = ({ clock }: { readonly clock: Clock }): LagMeter => {
  let watches = 0;
  let timer: Disposable | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let laggedAt = Number.NEGATIVE_INFINITY;

  const isLate = (): boolean => clock.monotonic() - dueAt > MOST_LAG_MS;

  const arm = (): void => {
    dueAt = clock.monotonic() + TICK_MS;
    timer = clock.after(TICK_MS, () => {
      if (isLate()) laggedAt = clock.monotonic();
      arm();
    });
  };

  return {
    watch: () => {
      watches += 1;
      if (watches === 1) arm();
      return {
        [Symbol.dispose]: () => {
          watches -= 1;
          if (watches > 0) return;
          timer?.[Symbol.dispose]();
          dueAt = Number.POSITIVE_INFINITY;
        },
      };
    },
    // What is late may be waiting behind the caller, so it is asked for as well.
    hasLaggedSince: (at) => isLate() || laggedAt >= at,
  };
};
