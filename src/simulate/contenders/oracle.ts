import type { Candidate } from "../../routing/policy.ts";
import type { Contender } from "./contender.ts";

/** What a decoding request takes of an engine's time, as prompt tokens' milliseconds: it slows down every step. */
const DECODE_MS = 2;

/** Sees the caches and the queues themselves: about what perfect knowledge of the present is worth. */
export const oracle = {
  name: "oracle",
  summary: "the earliest first token, by perfect knowledge of caches and queues",
  create: (view) => ({
    plan: (_request, candidates) => {
      let best: Candidate = candidates[0];
      let least = Infinity;
      for (const candidate of candidates) {
        const { id } = candidate.endpoint;
        const missing = view.request().promptTokens - view.cachedTokens(id);
        const costMs = view.prefillMs(id, missing) + DECODE_MS * view.decoding(id);
        if (costMs >= least) continue;
        least = costMs;
        best = candidate;
      }
      return { endpoint: best.endpoint, rule: "load", reason: "earliest first token" };
    },
  }),
} as const satisfies Contender;
