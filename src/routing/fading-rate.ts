import { createCells, type EngineCells } from "../core/engine-cells.ts";
import type { EnginePace } from "./engine-paces.ts";

/** What comes with time, as a mean in which the past fades. */
export interface FadingRate {
  /** So much came, at this monotonic millisecond. */
  readonly add: (at: number, amount: number) => void;
  /** What comes in a millisecond, to all threads. */
  readonly perMs: (at: number) => number;
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

/** Milliseconds in which a rate may stay as it was shown. */
export const stepOf = ({ fadeMs }: Memory): number => STEP * fadeMs;

/** Nothing at first, beside that which other threads tell at this place of their cells; it is shown where only this one tells. */
export const createFadingRate = (
  memory: Memory,
  { own, others }: EngineCells = createCells(RATE_CELLS),
  place = 0,
  pace?: Pick<EnginePace, "showRate">,
): FadingRate => {
  const { fadeMs, leastMs } = memory;
  const stepMs = stepOf(memory);
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
    if (others.length === 0) pace?.showRate(own[place] ?? 0, at);
  };

  pace?.showRate(own[place] ?? 0, others.length === 0 ? Infinity : Number.NEGATIVE_INFINITY);

  return {
    add: count,
    perMs: (at) => {
      if (sum > 0 && at - fadedAt > stepMs) count(at, 0);
      let rate = own[place] ?? 0;
      for (let index = 0; index < others.length; index += 1) {
        const row = others[index];
        const seen = row?.[place] ?? 0;
        if (seen > 0) rate += seen * Math.exp(Math.min(0, (row?.[place + 1] ?? 0) - at) / fadeMs);
      }
      return rate;
    },
  };
};
