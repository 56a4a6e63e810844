import { type EngineCells, sumAt } from "../core/engine-cells.ts";

/** What this router has given an engine and has not seen done. */
export interface BookedEngine {
  /** Requests whose answer has not begun. */
  readonly waiting: number;
  /** Tokens of these that the engine has to compute: their prompts without what it holds in its cache. */
  readonly waitingTokens: number;
  /** Requests whose answer streams. */
  readonly decoding: number;
}

/** The same, with what changes it; tokens of a request are the same from its beginning to its end. */
export interface EngineLoad extends BookedEngine {
  /** A request is sent. */
  readonly queue: (tokens: number) => void;
  /** A request that has no answer is over. */
  readonly leave: (tokens: number) => void;
  /** The answer of a request streams. */
  readonly decode: (tokens: number) => void;
  /** A stream is over. */
  readonly finish: () => void;
}

/** What a request that streams weighs, in prompt tokens that wait. */
const DECODE_TOKENS = 200;

/** Work that an engine has still to do, in prompt tokens. */
export const outstandingWork = ({ waitingTokens, decoding }: BookedEngine): number =>
  waitingTokens + DECODE_TOKENS * decoding;

/** Requests that it has. */
export const requestsOn = ({ waiting, decoding }: BookedEngine): number => waiting + decoding;

/** An engine's load for people. */
export const describeLoad = ({ waiting, decoding }: BookedEngine): string =>
  `${waiting} waiting, ${decoding} decoding`;

/** The load that this thread alone gives. */
export const createLoad = (): EngineLoad => {
  const leave = (tokens: number): void => {
    load.waiting -= 1;
    load.waitingTokens = load.waiting === 0 ? 0 : load.waitingTokens - tokens;
  };
  const load = {
    waiting: 0,
    waitingTokens: 0,
    decoding: 0,
    queue: (tokens: number): void => {
      load.waiting += 1;
      load.waitingTokens += tokens;
    },
    leave,
    decode: (tokens: number): void => {
      leave(tokens);
      load.decoding += 1;
    },
    finish: (): void => {
      load.decoding -= 1;
    },
  };
  return load;
};

const WAITING = 0;
const WAITING_TOKENS = 1;
const DECODING = 2;

/** Numbers of a load. */
export const LOAD_CELLS = 3;

/** The load that several threads give, each writing what it gives itself. */
export const joinLoad = (cells: EngineCells): EngineLoad => {
  const { own } = cells;
  const at = (place: number): number => own[place] ?? 0;
  const leave = (tokens: number): void => {
    own[WAITING] = at(WAITING) - 1;
    own[WAITING_TOKENS] = at(WAITING) === 0 ? 0 : at(WAITING_TOKENS) - tokens;
  };
  return {
    get waiting() {
      return sumAt(cells, WAITING);
    },
    get waitingTokens() {
      return sumAt(cells, WAITING_TOKENS);
    },
    get decoding() {
      return sumAt(cells, DECODING);
    },
    queue: (tokens) => {
      own[WAITING] = at(WAITING) + 1;
      own[WAITING_TOKENS] = at(WAITING_TOKENS) + tokens;
    },
    leave,
    decode: (tokens) => {
      leave(tokens);
      own[DECODING] = at(DECODING) + 1;
    },
    finish: () => {
      own[DECODING] = at(DECODING) - 1;
    },
  };
};
