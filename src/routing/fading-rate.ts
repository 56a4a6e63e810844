import { createCells, type EngineCells } from "../core/engine-cells.ts";

/** What comes with time, as a mean in which the past fades. */
export interface FadingRate {
  /** So much came, at this monotonic millisecond. */
  readonly add: (at: number, amount: number) => void;
  /** What comes in a millisecond, to all threads. */
  readonly perMs: (at: number) => number;
  /** What it is to all threads, if it was seen no longer than `stepMs` ago. */
  readonly latest: number;
  readonly latestAt: number;
  readonly stepMs: number;
}

/** How long a rate remembers. */
export interface Memory {
  /** Milliseconds after which what came counts for a third of what comes then. */
  readonly fadeMs: number;
  /** What is known of less time than this is taken for this much. */
  readonly leastMs: number;
}

/** Numbers of a rate: what came in a millisecond, as it was seen at a time. */
export const RATE_CELLS = 2;

/** Share of the time of fading in which a rate may stay as it is: to fade costs more than to read. */
const STEP = 1 / 64;

/** Nothing at first, beside that which other threads tell at this place of their cells. */
export const createFadingRate = (
  { fadeMs, leastMs }: Memory,
  { own, others }: EngineCells = createCells(RATE_CELLS),
  place = 0,
): FadingRate => {
  let firstAt: number | undefined;
  let fadedAt = 0;
  let sum = 0;

  const count = (at: number, amount: number): void => {
    firstAt ??= at;
    sum = sum * Math.exp(Math.min(0, fadedAt - at) / fadeMs) + amount;
    fadedAt = at;
    // The weight of the time since the first, faded alike.
    own[place] = sum / Math.max(leastMs, fadeMs * (1 - Math.exp((firstAt - at) / fadeMs)));
    own[place + 1] = at;
    // What others tell may be another at any time.
    if (others.length > 0) return;
    rate.latest = own[place] ?? 0;
    rate.latestAt = at;
  };

  const rate = {
    latest: own[place] ?? 0,
    latestAt: others.length > 0 ? Number.NEGATIVE_INFINITY : Infinity,
    stepMs: STEP * fadeMs,
    add: count,
    perMs: (at: number): number => {
      if (sum > 0 && at - fadedAt > rate.stepMs) count(at, 0);
      let sumOfAll = own[place] ?? 0;
      for (let index = 0; index < others.length; index += 1) {
        const row = others[index];
        const seen = row?.[place] ?? 0;
        if (seen > 0) sumOfAll += seen * Math.exp(Math.min(0, (row?.[place + 1] ?? 0) - at) / fadeMs);
      }
      return sumOfAll;
    },
  };
  return rate;
};

/** What comes in a millisecond, at the cost of a few reads until it has faded by a step: for loops over many rates. */
export const perMsOf = (rate: FadingRate, at: number): number =>
  at - rate.latestAt <= rate.stepMs ? rate.latest : rate.perMs(at);
