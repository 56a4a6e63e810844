import { converse } from "./conversations.ts";
import type { WorkloadModule } from "./workload.ts";

/** Chat: the longer it goes on, the more it costs to send a user elsewhere. */
export const multiRound = {
  name: "multi-round",
  summary: "users who chat over 4 to 12 rounds, each with the next question 10 s after an answer",
  create: (size) =>
    converse(
      {
        usersPerEngine: 24,
        openings: 8,
        openingTokens: [400, 1600],
        rounds: [4, 12],
        maxTokens: 32_000,
        questionTokens: [100, 1500],
        answerTokens: [100, 500],
        thinkMs: 10_000,
      },
      size,
      5,
    ),
} as const satisfies WorkloadModule;
