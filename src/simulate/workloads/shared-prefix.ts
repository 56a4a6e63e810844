import { between, createRandom, createZipf } from "../random.ts";
import { createSpanIds, poisson, type WorkloadModule } from "./workload.ts";

const GROUPS_PER_ENGINE = 48;
const SYSTEM_TOKENS = 6144;

/** Many system prompts, some of them far more in use than others: together more than one engine can hold. */
export const sharedPrefix = {
  name: "shared-prefix",
  summary: "48 system prompts of 6,144 tokens for each engine, by popularity, with short questions",
  create: ({ requests, rate, engines, seed }) => {
    const random = createRandom(seed, 2);
    const nextId = createSpanIds();
    const groups = Array.from({ length: GROUPS_PER_ENGINE * engines }, nextId);
    const draw = createZipf(groups.length, 0.9);
    return {
      arrivals: poisson({ requests, perSecond: 1.6 * rate * engines, random }, (atMs) => {
        const question = between(random, 32, 256);
        return {
          atMs,
          prompt: [
            { id: groups[draw(random)] ?? 0, tokens: SYSTEM_TOKENS },
            { id: nextId(), tokens: question },
          ],
          promptTokens: SYSTEM_TOKENS + question,
          outputTokens: between(random, 100, 400),
        };
      }),
    };
  },
} as const satisfies WorkloadModule;
