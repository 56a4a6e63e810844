import type { RequestWatcher } from "../core/request-stats.ts";
import { createDemand } from "./demand.ts";
import {
  type Account,
  type BookedEngine,
  createEngineBook,
  describeLoad,
  type Sight,
} from "./engine-book.ts";
import { createSpeeds, type EngineSpeed } from "./engine-speed.ts";
import { first, standingsOf } from "./explanation.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";
import { createQuietRequests, type QuietRequests } from "./quiet-requests.ts";

/** What is known of an engine beside its book. */
interface Service {
  readonly speed: EngineSpeed;
  /** Monotonic milliseconds since which it has computed the prompt that is next. */
  servedAt: number;
  /** Streams that were asked for and have not begun. */
  awaited: number;
  readonly quiet: QuietRequests;
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
const queueMs = (
  { waitingTokens, quiet, awaited, servedAt }: ServingEngine,
  at: number,
  msPerToken: number,
): number => {
  const workMs = Math.max(0, waitingTokens - quiet.computedBy(at)) * msPerToken;
  return awaited === 0 ? workMs : Math.max(workMs, at - servedAt - workMs);
};

const createCacheAware = (_options: unknown, { random }: PolicyDeps): RoutingPolicy => {
  const demand = createDemand();
  const speeds = createSpeeds();
  const book = createEngineBook((): Service => ({
    speed: speeds.open(),
    servedAt: 0,
    awaited: 0,
    quiet: createQuietRequests(),
  }));

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
  let streamsBefore = 0;
  let isAwaited = false;
  let quiet: Disposable | undefined;
  let outputTokens: number | undefined;

  const begins = (now: number): void => {
    engine.speed.observe(missing, streamsBefore, now - engine.servedAt);
    engine.servedAt = now;
  };
  const arrives = (): void => {
    if (isAwaited) engine.awaited -= 1;
    isAwaited = false;
    quiet?.[Symbol.dispose]();
  };

  return {
    began: () => {
      if (engine.waiting === 0) engine.servedAt = at;
      streamsBefore = engine.decoding;
      isAwaited = isStream;
      const { speed } = engine;
      const dueAt =
        at +
        PATIENCE *
          (queueMs(engine, at, speed.tokensMs(1)) + speed.tokensMs(missing) + speed.fixedMs(streamsBefore));
      if (isAwaited) engine.awaited += 1;
      else quiet = engine.quiet.add(dueAt, missing);
      watcher.began();
    },
    streamBegan: (elapsedMs) => {
      arrives();
      begins(at + elapsedMs);
      watcher.streamBegan(elapsedMs);
    },
    tokens: (usage) => {
      outputTokens = usage.output;
      watcher.tokens(usage);
    },
    ended: (outcome, elapsedMs, wasStream) => {
      arrives();
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
