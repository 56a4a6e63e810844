import { type EngineCells, mostAt, sumAt } from "../core/engine-cells.ts";
import { LOAD_CELLS } from "./engine-load.ts";
import { RATE_CELLS } from "./fading-rate.ts";
import { createQuietRequests } from "./quiet-requests.ts";

/** How far an engine is with the prompts that it has. */
export interface EngineProgress {
  /** Monotonic milliseconds since which it has computed the prompt that is next. */
  readonly servedAt: number;
  /** Streams that were asked for and have not begun. */
  readonly awaited: number;
  /** Prompt tokens of requests without a stream that it has presumably computed. */
  readonly computedBy: (at: number) => number;
  /** It begins with the next prompt. */
  readonly serve: (at: number) => void;
  /** A stream is asked for, until it begins or the request is over. */
  readonly awaitStream: () => Disposable;
  /** An answer in one piece is asked for, whose prompt is presumably computed by then. */
  readonly awaitWhole: (dueAt: number, tokens: number) => Disposable;
}

/** The progress that this thread alone sees. */
export const createProgress = (): EngineProgress => {
  const quiet = createQuietRequests();
  const progress = {
    servedAt: 0,
    awaited: 0,
    computedBy: quiet.computedBy,
    serve: (at: number): void => {
      progress.servedAt = at;
    },
    awaitStream: (): Disposable => {
      progress.awaited += 1;
      return once(() => {
        progress.awaited -= 1;
      });
    },
    awaitWhole: quiet.add,
  };
  return progress;
};

const AWAITED = LOAD_CELLS;
const COMPUTED = LOAD_CELLS + 1;
const SERVED_AT = LOAD_CELLS + 2;

/** Where the rate of the work is that an engine is given. */
export const WORK_PLACE = LOAD_CELLS + 3;

/** Numbers of an engine, in front those of its load. */
export const BOOK_CELLS = WORK_PLACE + RATE_CELLS;

/** The progress that several threads see: what another one presumes is what it presumed when it last looked. */
export const joinProgress = (cells: EngineCells): EngineProgress => {
  const { own } = cells;
  const quiet = createQuietRequests();
  const add = (place: number, by: number): void => {
    own[place] = (own[place] ?? 0) + by;
  };
  return {
    get servedAt() {
      return mostAt(cells, SERVED_AT);
    },
    get awaited() {
      return sumAt(cells, AWAITED);
    },
    computedBy: (at) => {
      own[COMPUTED] = quiet.computedBy(at);
      return sumAt(cells, COMPUTED);
    },
    serve: (at) => {
      own[SERVED_AT] = at;
    },
    awaitStream: () => {
      add(AWAITED, 1);
      return once(() => add(AWAITED, -1));
    },
    awaitWhole: (dueAt, tokens) => {
      const waiting = quiet.add(dueAt, tokens);
      return once(() => {
        waiting[Symbol.dispose]();
        own[COMPUTED] = quiet.computedBy(Number.NEGATIVE_INFINITY);
      });
    },
  };
};

const once = (end: () => void): Disposable => {
  let isOver = false;
  return {
    [Symbol.dispose]: () => {
      if (!isOver) end();
      isOver = true;
    },
  };
};
