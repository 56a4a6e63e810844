import { bestOf } from "./best-of.ts";
import type { Contender } from "./contender.ts";

/** What a decoding request costs a new one on its engine: every step becomes longer. */
const DECODE_MS = 2;
/** How much of the delay that a computed prompt means for each decoding request counts against it. */
const DELAY_SHARE = 0.3;

/**
 * Sees the caches and the queues themselves: about what perfect knowledge of the present is worth. It chooses the
 * earliest first token, and lets a prompt that others have to wait for cost more than its own time.
 */
export const oracle = {
  name: "oracle",
  summary: "perfect knowledge of caches and queues: the earliest first token that delays others least",
  create: (view, random) => ({
    plan: (_request, candidates) => {
      const costOf = (id: string): number => {
        const missing = view.request().promptTokens - view.cachedTokens(id);
        const missMs = (1000 * missing) / view.prefillTokensPerSecond(id);
        const decoding = view.decoding(id);
        return view.prefillLeftMs(id) + missMs + decoding * (DECODE_MS + DELAY_SHARE * missMs);
      };
      const { endpoint } = bestOf(candidates, (candidate) => -costOf(candidate.endpoint.id), random);
      return { endpoint, kind: "single", rule: "load", reason: "lowest cost" };
    },
  }),
} as const satisfies Contender;
