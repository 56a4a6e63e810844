import type { Account } from "./engine-book.ts";
import type { EnginePace, PaceColumns } from "./engine-paces.ts";
import type { EngineProgress } from "./engine-progress.ts";
import type { EngineSpeed, Prices } from "./engine-speed.ts";
import type { FadingRate } from "./fading-rate.ts";

/** An engine with what its costs are predicted from. */
export interface CostedEngine extends Account {
  readonly pace: EnginePace;
  readonly speed: EngineSpeed;
  readonly progress: EngineProgress;
  /** Milliseconds of prompts that it is given, by time: how busy those keep it that live in its cache. */
  readonly work: FadingRate;
}

/** A request, and all that its costs depend on beside the engine. */
export interface CostTerms {
  readonly at: number;
  readonly prices: Prices;
  /** Paces of all engines, the rows of these, and for how long a rate may stay as it was shown. */
  readonly paces: PaceColumns;
  readonly rows: Int32Array;
  readonly stepMs: number;
  /** Prompt tokens that an engine has to compute that holds so many bytes. */
  readonly missing: (bytes: number) => number;
  /** Bytes that each engine holds. */
  readonly bytes: Int32Array;
  /** Requests in a millisecond that come to an engine, in the mean. */
  readonly perMs: number;
  /** Share of the engines that is not busy, in the mean. */
  readonly idle: number;
  /** Milliseconds to compute of what will follow the request. */
  readonly followingMs: number;
}

/** Tokens of its answer for which a request suffers from the streams that are there: those that come first count. */
const TOKENS_BESIDE = 20;
/** What it costs to hold up a stream for a millisecond, in milliseconds until an answer begins. */
const PRICE_OF_STALL = 0.03;

/** What is busier than this is taken for no busier: its queue would be without end. */
export const MOST_BUSY = 0.9;

/**
 * Milliseconds until an engine has computed the prompts that it has, at so many for a token. What it has done since its
 * last step counts half, for who comes now waits also for those who come before the next. One that is silent for longer
 * than its prompts should have taken is taken to be silent as long again.
 */
export const queueMs = (engine: CostedEngine, at: number, msPerToken: number): number => {
  const { waitingTokens } = engine;
  if (waitingTokens === 0) return 0;
  const { progress } = engine;
  const workMs = Math.max(0, waitingTokens - progress.computedBy(at)) * msPerToken;
  if (progress.awaited === 0) return workMs;
  const sinceMs = at - progress.servedAt;
  return Math.max(workMs - sinceMs / 2, sinceMs - workMs);
};

/** Writes down what a request costs on each engine. One loop over plain numbers, for fleets of a thousand engines. */
export const predictCosts = (
  costs: Float64Array,
  engines: readonly [CostedEngine, ...CostedEngine[]],
  {
    at,
    prices: { fixed, perToken, perStream },
    paces,
    rows,
    stepMs,
    missing,
    bytes,
    perMs,
    idle,
    followingMs,
  }: CostTerms,
): void => {
  const { factors, rates, ratesAt } = paces;
  const missingAnew = missing(0);
  for (let index = 0; index < costs.length; index += 1) {
    const engine = engines[index] ?? engines[0];
    const { decoding } = engine;
    const row = rows[index] ?? 0;
    const isFresh = at - (ratesAt[row] ?? 0) <= stepMs;
    if (!isFresh) engine.speed.fade(at);
    const factor = factors[row] ?? 1;
    const busy = isFresh ? (rates[row] ?? 0) : engine.work.perMs(at);
    const held = bytes[index] ?? 0;
    const price = factor * perToken;
    // Most engines have nothing that waits, and a call for each costs more than to look.
    const wait = engine.waitingTokens === 0 ? 0 : queueMs(engine, at, price);
    const own = price * (held === 0 ? missingAnew : missing(held));
    // Those who come while the engine is busy wait longer by what this request takes.
    const delayed = (own * perMs * (wait + own / 2)) / idle;
    const stalled = PRICE_OF_STALL * own * decoding;
    const beside = factor * (fixed + (1 + TOKENS_BESIDE) * perStream * decoding);
    // The rest of the conversation will be computed here too, and wait for those that live here.
    const rest = (factor * followingMs) / (1 - Math.min(MOST_BUSY, busy));
    costs[index] = wait + own + beside + delayed + stalled + rest;
  }
};
