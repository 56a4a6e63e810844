import { bestOf } from "./best-of.ts";
import type { Contender } from "./contender.ts";

/**
 * The cost of NVIDIA Dynamo's KV router by its documentation, with the default weight 1 and temperature 0: prompt
 * blocks that the engine would have to compute, and blocks that it would hold for running requests. What engines
 * hold is known exactly, as their KV events tell it.
 */
export const dynamo = {
  name: "dynamo",
  summary: "Dynamo's KV cost with exact KV events: prefill blocks + active blocks",
  create: (view, random) => ({
    plan: (_request, candidates) => {
      const { promptTokens } = view.request();
      const { blockSize } = view;
      const costOf = (id: string): number => {
        const missing = promptTokens - view.cachedTokens(id);
        const prefillBlocks = (view.prefillTokens(id) + missing) / blockSize;
        return prefillBlocks + view.usedBlocks(id) + Math.ceil(promptTokens / blockSize);
      };
      const { endpoint } = bestOf(candidates, (candidate) => -costOf(candidate.endpoint.id), random);
      return { endpoint, kind: "single", rule: "load", reason: "lowest cost" };
    },
  }),
} as const satisfies Contender;
