import { converse } from "./conversations.ts";
import type { WorkloadModule } from "./workload.ts";

/** Agents: contexts that grow with every tool's answer, and hardly a pause in between. */
export const agentic = {
  name: "agentic",
  summary: "agents whose context grows to 100,000 tokens, with a tool's answer every few seconds",
  create: (size) =>
    converse(
      {
        usersPerEngine: 4,
        openings: 4,
        openingTokens: [4000, 9000],
        rounds: [15, 60],
        maxTokens: 100_000,
        questionTokens: [300, 4500],
        answerTokens: [50, 400],
        thinkMs: 4000,
      },
      size,
      6,
    ),
} as const satisfies WorkloadModule;
