import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { ReadMemory } from "../core/memory-use.ts";

/** How much of the memory is in use. */
export interface MemoryWatch extends AsyncDisposable {
  /** So much that connections are to be closed once they have their answer. */
  readonly isTight: () => boolean;
  /** So much that no further work is to be taken. */
  readonly isShort: () => boolean;
}

interface MemoryDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Has garbage collected, which the runtime does not hurry with. */
  readonly collect: () => void;
}

const INTERVAL_MS = 250;
const TIGHT_SHARE = 0.75;
const SHORT_SHARE = 0.85;
/** A state ends this much below where it begins, so that it does not flicker. */
const HYSTERESIS = 0.05;

/** Whether a share that was or was not beyond a threshold is so now. */
const isBeyond = (share: number, threshold: number, wasBeyond: boolean): boolean =>
  share >= (wasBeyond ? threshold - HYSTERESIS : threshold);

/** Reads four times a second how much of its memory the process uses, so that no request has to. */
export const createMemoryWatch = (read: ReadMemory, { clock, log, collect }: MemoryDeps): MemoryWatch => {
  let isTight = false;
  let isShort = false;
  let isLimited = false;
  let isOver = false;
  let timer: Disposable | undefined;

  const judge = (share: number): void => {
    const wasShort = isShort;
    isTight = isBeyond(share, TIGHT_SHARE, isTight);
    isShort = isBeyond(share, SHORT_SHARE, isShort);
    if (isTight) collect();
    const percent = `${Math.round(share * 100)} % of the memory limit`;
    if (isShort && !wasShort) log.warning(`No further requests are taken: ${percent} is in use`);
    if (wasShort && !isShort) log.info(`Requests are taken again: ${percent} is in use`);
  };
  const look = async (): Promise<void> => {
    const memory = await read();
    isLimited ||= memory !== undefined;
    if (isOver || !isLimited) return;
    if (memory) judge(memory.used / memory.limit);
    // Nobody is turned away for what is not known.
    else isTight = isShort = false;
    timer = clock.after(INTERVAL_MS, begin);
  };
  let looking: Promise<void>;
  const begin = (): void => {
    looking = look();
  };
  begin();

  return {
    isTight: () => isTight,
    isShort: () => isShort,
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await looking;
      timer?.[Symbol.dispose]();
    },
  };
};
