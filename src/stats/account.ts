import type { Clock } from "../core/clock.ts";
import { type EngineCells, setTime, sumAt, timeAt } from "../core/engine-cells.ts";
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

const timesAt = ({ own, others }: EngineCells, place: number): readonly number[] =>
  [own, ...others].flatMap((row) => timeAt(row, place) ?? []);

const lastAt = ({ own, others }: EngineCells, place: number): number | undefined => {
  let last = timeAt(own, place);
  for (const row of others) {
    const time = timeAt(row, place);
    if (time !== undefined && (last === undefined || time > last)) last = time;
  }
  return last;
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
        return sumAt(cells, FIRST_REQUEST_AT) === 0
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
        const times = timesAt(cells, FIRST_REQUEST_AT);
        return times.length === 0 ? undefined : Math.min(...times);
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
      if (own[FIRST_REQUEST_AT] === 0) setTime(own, FIRST_REQUEST_AT, at);
      add(IN_PREFILL, 1);
      begun.add(at);
    },
    answered: (at) => {
      add(IN_DECODE, 1);
      add(IN_PREFILL, -1);
      setTime(own, LAST_DATA_AT, at);
    },
    data: (at) => {
      setTime(own, LAST_DATA_AT, at);
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
