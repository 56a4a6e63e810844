import type { RequestWatcher } from "../core/request-stats.ts";
import { createDemand } from "./demand.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { type BookedEngine, describeLoad } from "./engine-load.ts";
import { createProgress, type EngineProgress, joinProgress } from "./engine-progress.ts";
import { createSpeeds, type EngineSpeed } from "./engine-speed.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";

/** What is known of an engine beside its book. */
interface Service {
  readonly speed: EngineSpeed;
  readonly progress: EngineProgress;
}

type ServingEngine = BookedEngine & Service;

/** Tokens of its answer for which a request suffers from the streams that are there: those that come first count. */
const TOKENS_BESIDE = 60;
/** What it costs to hold up a stream for a millisecond, in milliseconds until an answer begins. */
const PRICE_OF_STALL = 0.03;
/** A prompt whose answer comes in one piece is presumed to be computed after so many times what it should take. */
const PATIENCE = 1.5;
/** A fleet that is busier than this is taken for no busier: its queues would be without end. */
const MOST_BUSY = 0.9;

/**
 * Milliseconds until an engine has computed the prompts that it has, at so many for a token. One that is silent for
 * longer than they should have taken is taken to be silent as long again.
 */
const queueMs = ({ waitingTokens, progress }: ServingEngine, at: number, msPerToken: number): number => {
  const workMs = Math.max(0, waitingTokens - progress.computedBy(at)) * msPerToken;
  return progress.awaited === 0 ? workMs : Math.max(workMs, at - progress.servedAt - workMs);
};

const createCacheAware = (_options: unknown, { random, book: shared }: PolicyDeps): RoutingPolicy => {
  const demand = createDemand(shared?.demand);
  const speeds = createSpeeds();
  const book = createEngineBook(
    (cells): Service => ({
      speed: speeds.open(),
      progress: cells ? joinProgress(cells) : createProgress(),
    }),
    { book: shared },
  );

  const choose = (sight: Sight<Account & Service>, at: number, draw: () => number) => {
    const { engines, tokens, cachedOn } = sight;
    const perMs = demand.perMs() / engines.length;
    const idle = 1 - Math.min(MOST_BUSY, demand.busy() / engines.length);
    const { fixed, perToken, perStream } = speeds.prices();
    let most = 0;

    const costOn = (engine: Account & Service): number => {
      const { decoding } = engine;
      const factor = engine.speed.factor();
      const wait = queueMs(engine, at, factor * perToken);
      const cached = cachedOn(engine);
      if (cached > most) most = cached;
      const own = factor * perToken * Math.max(1, tokens - cached);
      // Those who come while the engine is busy wait longer by what this request takes.
      const delayed = (own * perMs * (wait + own / 2)) / idle;
      const stalled = PRICE_OF_STALL * own * decoding;
      const beside = factor * (fixed + (1 + TOKENS_BESIDE) * perStream * decoding);
      return wait + own + beside + delayed + stalled;
    };

    const engine = leastOf(engines, costOn, draw);
    const cached = cachedOn(engine);
    const missing = Math.max(1, tokens - cached);
    const rule = most === 0 ? "cold" : cached < most ? "spread" : "prefix";
    const ownMs = engine.speed.tokensMs(missing);
    const reason = `${Math.round(cached)} of ${Math.round(tokens)} tokens cached, ${Math.round(queueMs(engine, at, engine.speed.tokensMs(1)))} ms queue, ${Math.round(ownMs)} ms to compute, ${describeLoad(engine)}`;
    return { plan: sight.planOn(engine, rule, reason), engine, missing, ownMs, costOn };
  };

  return {
    plan: (request, candidates) => {
      const { at } = request;
      demand.arrived(at);
      const { plan, engine, missing, ownMs } = choose(book.look(request, candidates), at, random);
      demand.took(ownMs);
      const isStream = request.field("stream") === true;
      return { ...plan, watcher: timing(engine, plan.watcher, { at, missing, isStream }) };
    },
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      const { plan, costOn } = choose(sight, request.at, first);
      return { plan, unit: "ms", ...standingsOf(sight, costOn) };
    },
    keepOnly: book.keepOnly,
  };
};

/** Adds to a watcher that the engine's speed is learned from what it says. */
const timing = (
  engine: ServingEngine,
  watcher: RequestWatcher,
  { at, missing, isStream }: { readonly at: number; readonly missing: number; readonly isStream: boolean },
): RequestWatcher => {
  const { progress, speed } = engine;
  let streamsBefore = 0;
  let answer: Disposable | undefined;
  let outputTokens: number | undefined;

  const begins = (now: number): void => {
    speed.observe(missing, streamsBefore, now - progress.servedAt);
    progress.serve(now);
  };

  return {
    began: () => {
      if (engine.waiting === 0) progress.serve(at);
      streamsBefore = engine.decoding;
      const dueMs =
        queueMs(engine, at, speed.tokensMs(1)) + speed.tokensMs(missing) + speed.fixedMs(streamsBefore);
      const dueAt = at + PATIENCE * dueMs;
      answer = isStream ? progress.awaitStream() : progress.awaitWhole(dueAt, missing);
      watcher.began();
    },
    streamBegan: (elapsedMs) => {
      answer?.[Symbol.dispose]();
      begins(at + elapsedMs);
      watcher.streamBegan(elapsedMs);
    },
    tokens: (usage) => {
      outputTokens = usage.output;
      watcher.tokens(usage);
    },
    ended: (outcome, elapsedMs, wasStream) => {
      answer?.[Symbol.dispose]();
      // An answer of one token or none, such as an embedding, is there when its prompt has been computed.
      if (outcome === "done" && !wasStream && (outputTokens ?? Infinity) <= 1) begins(at + elapsedMs);
      watcher.ended(outcome, elapsedMs, wasStream);
    },
  };
};

/**
 * The engine on which a request costs least: the time until its answer begins, as queue, cache and learned speed
 * predict it, and what that does to others. A miss costs more the busier the fleet is, without anything to tune.
 */
export const cacheAware = {
  name: "cacheaware",
  summary: "the engine that is predicted to answer soonest",
  options: {},
  problems: () => [],
  create: createCacheAware,
} as const satisfies PolicyModule<"cacheaware">;
