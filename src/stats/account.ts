import type { Clock } from "../core/clock.ts";
import { type EngineCells, mostAt, sumAt } from "../core/engine-cells.ts";
import type { RequestOutcome, RequestStats } from "../core/request-stats.ts";
import { createWindow, type Window, WINDOW_CELLS } from "../core/window.ts";

const IN_PREFILL = 0;
const IN_DECODE = 1;
const FINISHED = 2;
const FAILED = 3;
const FIRST_REQUEST_AT = 4;
const LAST_DATA_AT = 5;
const WINDOWS = 6;

/** Numbers of an account. */
export const ACCOUNT_CELLS = WINDOWS + 5 * WINDOW_CELLS;

/** What is under way, which ends with the thread that it is in. */
export const UNDER_WAY: readonly number[] = [IN_PREFILL, IN_DECODE];

/** What is counted of the requests to one endpoint. */
export interface Account {
  readonly cells: EngineCells;
  /** Of all threads, as it is when it is read. */
  readonly view: RequestStats;
  readonly began: (at: number) => void;
  /** From prefill to decode. */
  readonly answered: (at: number) => void;
  readonly data: (at: number) => void;
  readonly ended: (phase: "prefill" | "decode", outcome: RequestOutcome) => void;
  readonly firstTokens: Window;
  readonly gaps: Window;
  readonly latencies: Window;
  readonly lengths: Window;
}

/** 0 says that there is no time, so times are stored by so much later. */
const LATER = 1;

const firstAt = ({ own, others }: EngineCells, place: number): number | undefined => {
  const times = [own, ...others].map((row) => row[place] ?? 0).filter((time) => time > 0);
  return times.length === 0 ? undefined : Math.min(...times) - LATER;
};

const lastAt = (cells: EngineCells, place: number): number | undefined => {
  const time = mostAt(cells, place);
  return time === 0 ? undefined : time - LATER;
};

/** Goes on with the account that is in these cells. */
export const openAccount = (
  cells: EngineCells,
  windowMs: number,
  clock: Pick<Clock, "monotonic">,
): Account => {
  const { own } = cells;
  const windowAt = (index: number): Window => createWindow(windowMs, cells, WINDOWS + index * WINDOW_CELLS);
  const begun = windowAt(0);
  const firstTokens = windowAt(1);
  const gaps = windowAt(2);
  const latencies = windowAt(3);
  const lengths = windowAt(4);
  const add = (place: number, by: 1 | -1): void => {
    own[place] = (own[place] ?? 0) + by;
  };

  return {
    cells,
    view: {
      get inPrefill() {
        return sumAt(cells, IN_PREFILL);
      },
      get inDecode() {
        return sumAt(cells, IN_DECODE);
      },
      get qps() {
        return mostAt(cells, FIRST_REQUEST_AT) === 0
          ? undefined
          : begun.count(clock.monotonic()) / (windowMs / 1000);
      },
      get finished() {
        return sumAt(cells, FINISHED);
      },
      get failed() {
        return sumAt(cells, FAILED);
      },
      get firstRequestAt() {
        return firstAt(cells, FIRST_REQUEST_AT);
      },
      get lastDataAt() {
        return lastAt(cells, LAST_DATA_AT);
      },
      get timeToFirstTokenMs() {
        return firstTokens.mean(clock.monotonic());
      },
      get interTokenMs() {
        return gaps.mean(clock.monotonic());
      },
      get latencyMs() {
        return latencies.mean(clock.monotonic());
      },
      get decodeLength() {
        return lengths.mean(clock.monotonic());
      },
    },
    began: (at) => {
      if (own[FIRST_REQUEST_AT] === 0) own[FIRST_REQUEST_AT] = at + LATER;
      add(IN_PREFILL, 1);
      begun.add(at);
    },
    answered: (at) => {
      add(IN_DECODE, 1);
      add(IN_PREFILL, -1);
      own[LAST_DATA_AT] = at + LATER;
    },
    data: (at) => {
      own[LAST_DATA_AT] = at + LATER;
    },
    ended: (phase, outcome) => {
      add(phase === "prefill" ? IN_PREFILL : IN_DECODE, -1);
      if (outcome === "failed") add(FAILED, 1);
      if (outcome === "done" || outcome === "refused") add(FINISHED, 1);
    },
    firstTokens,
    gaps,
    latencies,
    lengths,
  };
};
