import type { RequestWatcher } from "../core/request-stats.ts";
import { createConversations } from "./conversations.ts";
import { createDemand } from "./demand.ts";
import { type Account, createEngineBook, type Sight } from "./engine-book.ts";
import { type CostedEngine, MOST_BUSY, predictCosts, queueMs } from "./engine-costs.ts";
import { describeLoad } from "./engine-load.ts";
import { createEnginePaces } from "./engine-paces.ts";
import { createProgress, joinProgress, WORK_PLACE } from "./engine-progress.ts";
import { createSpeeds } from "./engine-speed.ts";
import { createEngineSteps, type EngineSteps } from "./engine-steps.ts";
import { first, standingsOf } from "./explanation.ts";
import { createFadingRate, stepOf } from "./fading-rate.ts";
import { leastAt } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy, SinglePlan } from "./policy.ts";

/** What is known of an engine beside its book. */
interface Service extends Omit<CostedEngine, keyof Account> {
  readonly steps: EngineSteps;
}

type ServingEngine = Account & Service;

/** A decision, and what is known when it is made. */
interface Choice {
  readonly plan: SinglePlan & { readonly watcher: RequestWatcher };
  readonly engine: ServingEngine;
  /** Prompt tokens that the engine has to compute. */
  readonly missing: number;
  /** The request is sent. */
  readonly begin: () => void;
  /** Its answer has so many tokens. */
  readonly answered: (tokens: number) => void;
  readonly costOn: (engine: ServingEngine, index: number) => number;
}

/** A prompt whose answer comes in one piece is presumed to be computed after so many times what it should take. */
const PATIENCE = 1.5;
/** How long the work of an engine counts: conversations pause, and go on. */
const WORK_MEMORY = { fadeMs: 60_000, leastMs: 2000 };

const createCacheAware = (_options: unknown, { random, book: shared }: PolicyDeps): RoutingPolicy => {
  const demand = createDemand(shared?.demand);
  const conversations = createConversations();
  const speeds = createSpeeds();
  const paces = createEnginePaces();
  const book = createEngineBook(
    (cells): Service => {
      const pace = paces.open();
      const speed = speeds.open(pace);
      const progress = cells ? joinProgress(cells) : createProgress();
      const work = cells
        ? createFadingRate(WORK_MEMORY, cells, WORK_PLACE, pace)
        : createFadingRate(WORK_MEMORY, undefined, 0, pace);
      return { pace, speed, progress, steps: createEngineSteps(speed, progress), work };
    },
    { book: shared },
  );

  let costs = new Float64Array();
  const rowsKnown = new WeakMap<Sight<ServingEngine>["engines"], Int32Array>();

  const rowsOf = (engines: Sight<ServingEngine>["engines"]): Int32Array => {
    let rows = rowsKnown.get(engines);
    if (!rows) rowsKnown.set(engines, (rows = Int32Array.from(engines, ({ pace }) => pace.row)));
    return rows;
  };

  const choose = (sight: Sight<ServingEngine>, at: number, draw: () => number): Choice => {
    const { engines, tokens, blocks } = sight;
    const { bytes, most: known } = sight.held();
    const perByte = tokens / Math.max(1, blocks.length);
    const answer = conversations.answerBefore(blocks, known);
    // An engine that computed the last prompt of a conversation also holds its answer, which no index knows.
    const missingBeside = (held: number): number =>
      Math.max(1, tokens - perByte * held - (held === known ? answer : 0));

    const prices = speeds.prices();
    if (costs.length !== engines.length) costs = new Float64Array(engines.length);
    predictCosts(costs, engines, {
      at,
      prices,
      paces: paces.columns(),
      rows: rowsOf(engines),
      stepMs: stepOf(WORK_MEMORY),
      missing: missingBeside,
      bytes,
      perMs: demand.perMs() / engines.length,
      idle: 1 - Math.min(MOST_BUSY, demand.busy() / engines.length),
      followingMs: conversations.followingMs(),
    });
    const costOn = (_engine: ServingEngine, index: number): number => costs[index] ?? Infinity;

    const place = leastAt(costs, draw);
    const engine = engines[place] ?? engines[0];
    const held = bytes[place] ?? 0;
    const missing = missingBeside(held);
    const ownMs = engine.speed.tokensMs(missing);
    const rule = known === 0 ? "cold" : held < known ? "spread" : "prefix";
    const reason = `${Math.round(tokens - missing)} of ${Math.round(tokens)} tokens cached, ${Math.round(queueMs(engine, at, engine.speed.tokensMs(1)))} ms queue, ${Math.round(ownMs)} ms to compute, ${describeLoad(engine)}`;
    const begin = (): void => {
      demand.took(ownMs);
      engine.work.add(at, ownMs);
      conversations.came(blocks, known, prices.perToken * missing);
    };
    const answered = (output: number): void => conversations.answered(blocks, output);
    const plan = sight.planOn(engine, rule, reason, missing);
    return { plan, engine, missing, begin, answered, costOn };
  };

  return {
    plan: (request, candidates) => {
      const { at } = request;
      demand.arrived(at);
      const choice = choose(book.look(request, candidates), at, random);
      const isStream = request.field("stream") === true;
      return { ...choice.plan, watcher: watch(choice, at, isStream) };
    },
    explain: (request, candidates) => {
      const sight = book.look(request, candidates);
      const { plan, costOn } = choose(sight, request.at, first);
      return { plan, unit: "ms", ...standingsOf(sight, costOn) };
    },
    keepOnly: book.keepOnly,
  };
};

/** Watches a request from when it is routed, so that loads and speeds are learned from what becomes of it. */
const watch = (
  { plan: { watcher }, engine, missing, begin, answered }: Choice,
  at: number,
  isStream: boolean,
): RequestWatcher => {
  const { progress, speed, steps } = engine;
  let streamsBefore = 0;
  let answer: Disposable | undefined;
  let outputTokens: number | undefined;

  return {
    began: () => {
      if (engine.waiting === 0) progress.serve(at);
      streamsBefore = engine.decoding;
      const dueMs =
        queueMs(engine, at, speed.tokensMs(1)) + speed.tokensMs(missing) + speed.fixedMs(streamsBefore);
      const dueAt = at + PATIENCE * dueMs;
      answer = isStream ? progress.awaitStream() : progress.awaitWhole(dueAt, missing);
      begin();
      watcher.began();
    },
    streamBegan: (elapsedMs) => {
      answer?.[Symbol.dispose]();
      steps.computed(at + elapsedMs, missing, streamsBefore);
      watcher.streamBegan(elapsedMs);
    },
    tokens: (usage) => {
      outputTokens = usage.output;
      answered(usage.output);
      watcher.tokens(usage);
    },
    ended: (outcome, elapsedMs, wasStream) => {
      answer?.[Symbol.dispose]();
      // An answer of one token or none, such as an embedding, is there when its prompt has been computed.
      if (outcome === "done" && !wasStream && (outputTokens ?? Infinity) <= 1) {
        steps.computed(at + elapsedMs, missing, streamsBefore);
      }
      watcher.ended(outcome, elapsedMs, wasStream);
    },
  };
};

/**
 * The engine on which a request costs least: the time until its answer begins, as queue, cache and learned speed
 * predict it, what that does to others, and what the rest of its conversation will take. A miss costs more the busier
 * the fleet is, without anything to tune.
 */
export const cacheAware = {
  name: "cacheaware",
  summary: "the engine that is predicted to answer soonest",
  options: {},
  problems: () => [],
  create: createCacheAware,
} as const satisfies PolicyModule<"cacheaware">;
