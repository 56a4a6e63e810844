import { between, createRandom } from "../random.ts";
import { createSpanIds, poisson, type WorkloadModule } from "./workload.ts";

/** Prompts that share nothing: what is left to a policy is the load. */
export const uniform = {
  name: "uniform",
  summary: "prompts of 200 to 4,000 tokens that share nothing, at random times",
  create: ({ requests, rate, engines, seed }) => {
    const random = createRandom(seed, 1);
    const nextId = createSpanIds();
    return {
      arrivals: poisson({ requests, perSecond: 1.6 * rate * engines, random }, (atMs) => {
        const promptTokens = between(random, 200, 4000);
        return {
          atMs,
          prompt: [{ id: nextId(), tokens: promptTokens }],
          promptTokens,
          outputTokens: between(random, 50, 500),
        };
      }),
    };
  },
} as const satisfies WorkloadModule;
