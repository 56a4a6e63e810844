import type { Sight } from "./engine-book.ts";
import type { BookedEngine } from "./engine-load.ts";
import type { Explanation } from "./policy.ts";

/** Of engines that cost the same the first is shown, where a plan draws one: explaining uses up no random numbers. */
export const first = (): number => 1;

/** How each candidate stands to a request that a book was asked about. */
export const standingsOf = <Engine extends BookedEngine>(
  { engines, tokens, cachedOn }: Sight<Engine>,
  costOn: (engine: Engine, index: number) => number,
): Pick<Explanation, "promptTokens" | "standings"> => ({
  promptTokens: Math.round(tokens),
  standings: engines.map((engine, index) => ({
    waiting: engine.waiting,
    waitingTokens: Math.round(engine.waitingTokens),
    decoding: engine.decoding,
    matchedTokens: Math.round(cachedOn(engine)),
    cost: costOn(engine, index),
  })),
});
