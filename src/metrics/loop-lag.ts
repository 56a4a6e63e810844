import type { Clock } from "../core/clock.ts";

const TICK_MS = 1000;

/** Tells every second how late its own timer is, in milliseconds: so long anything else waits, too. */
export const createLoopLag = (
  observe: (lagMs: number) => void,
  { clock }: { readonly clock: Clock },
): Disposable => {
  let timer: Disposable;
  const arm = (): void => {
    const dueAt = clock.monotonic() + TICK_MS;
    timer = clock.after(TICK_MS, () => {
      // The timer's own clock is coarser, and may be early by less than a millisecond.
      observe(Math.max(0, clock.monotonic() - dueAt));
      arm();
    });
  };
  arm();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
};
