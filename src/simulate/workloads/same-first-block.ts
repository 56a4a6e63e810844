import { between, createRandom } from "../random.ts";
import { createSpanIds, poisson, type WorkloadModule } from "./workload.ts";

/** The block that all share is worth little: a policy that follows it sends everything to one engine. */
export const sameFirstBlock = {
  name: "same-first-block",
  summary: "every prompt begins with the same 512 tokens and shares nothing else",
  create: ({ requests, rate, engines, seed }) => {
    const random = createRandom(seed, 3);
    const nextId = createSpanIds();
    const first = { id: nextId(), tokens: 512 };
    return {
      arrivals: poisson({ requests, perSecond: 1.6 * rate * engines, random }, (atMs) => {
        const tokens = between(random, 500, 3500);
        return {
          atMs,
          prompt: [first, { id: nextId(), tokens }],
          promptTokens: first.tokens + tokens,
          outputTokens: between(random, 50, 450),
        };
      }),
    };
  },
} as const satisfies WorkloadModule;
