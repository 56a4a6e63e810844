import type { RequestWatcher } from "../core/request-stats.ts";
import { createEngineBook, describeLoad } from "./engine-book.ts";
import { createEngineSpeed, type EngineSpeed } from "./engine-speed.ts";
import { leastOf } from "./least-of.ts";
import type { PolicyDeps, PolicyModule, RoutingPolicy } from "./policy.ts";

/** What a policy of predicted costs keeps for each engine; times are monotonic milliseconds. */
interface Queue {
  readonly speed: EngineSpeed;
  /** When all prompts that it was sent will have been computed, before `drift`. */
  freeAt: number;
  /** By how much first bytes came later than predicted, all in all. */
  drift: number;
  /** Since when it has computed the prompt that is next. */
  servedAt: number;
}

/** How much more a miss costs for each second that requests wait on the mean engine. */
const BUSY_PRICE = 1;

const createCacheAware = (_options: unknown, { random }: PolicyDeps): RoutingPolicy => {
  const book = createEngineBook((): Queue => ({
    speed: createEngineSpeed(),
    freeAt: 0,
    drift: 0,
    servedAt: 0,
  }));

  return {
    plan: (request, candidates) => {
      const { at } = request;
      const { engines, tokens, cachedOn, planOn } = book.look(request, candidates);
      type Engine = (typeof engines)[0];
      const queueMs = ({ freeAt, drift }: Engine): number => Math.max(0, freeAt + drift - at);
      const uncachedOn = (engine: Engine): number => Math.max(1, tokens - cachedOn(engine));
      let sum = 0;
      for (const engine of engines) sum += queueMs(engine);
      const price = 1 + (BUSY_PRICE * sum) / engines.length / 1000;
      const engine = leastOf(
        engines,
        (each) =>
          queueMs(each) +
          each.speed.fixedMs(each.decoding) +
          price * uncachedOn(each) * each.speed.msPerToken(),
        random,
      );
      let most = 0;
      for (const each of engines) most = Math.max(most, cachedOn(each));
      const cached = cachedOn(engine);
      const rule = most === 0 ? "cold" : cached < most ? "spread" : "prefix";
      const reason = `${Math.round(queueMs(engine))} ms queue, ${Math.round(cached)} of ${Math.round(tokens)} tokens cached, ${describeLoad(engine)}`;
      const plan = planOn(engine, rule, reason);
      return { ...plan, watcher: learningFrom(engine, plan.watcher, { at, own: uncachedOn(engine) }) };
    },
    keepOnly: book.keepOnly,
  };
};

/** Adds to a watcher that predictions are corrected. */
const learningFrom = (
  engine: Queue & { readonly decoding: number; readonly waiting: number },
  watcher: RequestWatcher,
  { at, own }: { readonly at: number; readonly own: number },
): RequestWatcher => {
  let expectedAt = 0;
  let decodingBefore = 0;
  return {
    ...watcher,
    began: () => {
      const { speed, drift } = engine;
      decodingBefore = engine.decoding;
      if (engine.waiting === 0) engine.servedAt = at;
      engine.freeAt = Math.max(at - drift, engine.freeAt) + own * speed.msPerToken();
      expectedAt = engine.freeAt + speed.fixedMs(decodingBefore);
      watcher.began();
    },
    streamBegan: (elapsedMs) => {
      const now = at + elapsedMs;
      watcher.streamBegan(elapsedMs);
      engine.drift += now - (expectedAt + engine.drift);
      engine.speed.observe(own, decodingBefore, now - engine.servedAt);
      engine.servedAt = now;
      if (engine.waiting === 0) {
        engine.drift = 0;
        engine.freeAt = now;
      }
    },
  };
};

/** The engine that answers soonest, as its queue, its cache and its speed so far predict. */
export const cacheAware = {
  name: "cacheaware",
  summary: "the engine that is predicted to answer soonest",
  options: {},
  problems: () => [],
  create: createCacheAware,
} as const satisfies PolicyModule<"cacheaware">;
