import type { Contender } from "./contender.ts";

/** Any engine: the floor. */
export const random = {
  name: "random",
  summary: "any engine, all equally likely",
  create: (_view, draw) => ({
    plan: (_request, candidates) => {
      const { endpoint } = candidates[Math.floor(draw() * candidates.length)] ?? candidates[0];
      return { endpoint, kind: "single", rule: "load", reason: "drawn" };
    },
  }),
} as const satisfies Contender;
