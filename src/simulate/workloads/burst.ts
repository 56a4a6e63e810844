import { between, createRandom, exponential, type Random } from "../random.ts";
import { createSpanIds, type WorkloadModule, type WorkloadRequest } from "./workload.ts";

const CALM_MS = 20_000;
const BURST_MS = 4000;
const BURST_FACTOR = 8;
const SYSTEM_TOKENS = 1536;

/** Arrival times of a Poisson process whose rate is `BURST_FACTOR` times as high for 4 s out of 24. */
function* times(requests: number, calmPerSecond: number, random: Random): Generator<number> {
  let atMs = 0;
  for (let index = 0; index < requests; index += 1) {
    // Thinning: draw at the highest rate, and in calm keep one in so many.
    do atMs += exponential(random, 1000 / (calmPerSecond * BURST_FACTOR));
    while (atMs % (CALM_MS + BURST_MS) < CALM_MS && random() * BURST_FACTOR >= 1);
    yield atMs;
  }
}

/** Calm that is broken by bursts: decisions that were right a second ago meet a fleet that has changed. */
export const burst = {
  name: "burst",
  summary: "bursts of 8 times the calm rate, for 4 s out of 24, over 16 system prompts",
  create: ({ requests, rate, engines, seed }) => {
    const random = createRandom(seed, 4);
    const nextId = createSpanIds();
    const systems = Array.from({ length: 16 }, nextId);
    function* arrivals(): Generator<WorkloadRequest> {
      for (const atMs of times(requests, 0.8 * rate * engines, random)) {
        const tokens = between(random, 64, 2000);
        const system = systems[between(random, 0, systems.length - 1)] ?? 0;
        yield {
          atMs,
          prompt: [
            { id: system, tokens: SYSTEM_TOKENS },
            { id: nextId(), tokens },
          ],
          promptTokens: SYSTEM_TOKENS + tokens,
          outputTokens: between(random, 50, 400),
        };
      }
    }
    return { arrivals: arrivals() };
  },
} as const satisfies WorkloadModule;
