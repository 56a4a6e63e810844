import type { Clock } from "../core/clock.ts";

/** Whether one engine goes and comes back too often. */
export interface Flapping extends Disposable {
  /** True while it must prove that it stays. */
  readonly isHeld: boolean;
  readonly leaves: () => void;
  /** True where it is held from now on, and was not the time before. */
  readonly returns: () => boolean;
}

/** Those who leave twice within this time flap, and are held for so long. */
const WINDOW_MS = 30_000;

/** The first return is free; after that one must stay for 30 s to be believed, which `onRelease` tells. */
export const createFlapping = ({
  clock,
  onRelease,
}: {
  readonly clock: Clock;
  readonly onRelease: () => void;
}): Flapping => {
  let leftAt: readonly number[] = [];
  let hold: Disposable | undefined;
  let isKnown = false;
  const end = (): void => {
    hold?.[Symbol.dispose]();
    hold = undefined;
  };
  return {
    get isHeld() {
      return hold !== undefined;
    },
    leaves: () => {
      end();
      leftAt = [...leftAt.slice(-1), clock.monotonic()];
    },
    returns: () => {
      const isFlapping = leftAt.length === 2 && leftAt.every((at) => clock.monotonic() - at < WINDOW_MS);
      const isNews = isFlapping && !isKnown;
      isKnown = isFlapping;
      if (isFlapping) {
        hold = clock.after(WINDOW_MS, () => {
          hold = undefined;
          onRelease();
        });
      }
      return isNews;
    },
    [Symbol.dispose]: end,
  };
};
