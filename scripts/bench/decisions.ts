import { bodyOf, USERS, workloads } from "./workloads.ts";
import { decidingPolicies, measureDecision } from "./decision.ts";
import { tableOf } from "./text-table.ts";

/** The trial's row in the list of workloads. */
export const DECISIONS = {
  name: "decision",
  summary: "the decision of each policy among 1,000 engines, by itself",
} as const;

/** What a policy takes to decide. */
export interface Decision {
  readonly policy: string;
  readonly micros: number;
}

const ENGINES = 1000;

/** Measures every policy, in this process. */
export const measureDecisions = async (random: () => number): Promise<readonly Decision[]> => {
  const [workload] = workloads;
  const prompts = Array.from({ length: USERS }, (_, user) =>
    workload ? bodyOf(workload, user) : new Uint8Array(),
  );
  const decisions: Decision[] = [];
  for (const policy of decidingPolicies)
    decisions.push({ policy, micros: await measureDecision(policy, { engines: ENGINES, prompts, random }) });
  return decisions;
};

/** The decisions as text. */
export const decisionText = (decisions: readonly Decision[]): string =>
  [
    `${DECISIONS.name}: ${DECISIONS.summary}`,
    "",
    tableOf(
      [{ title: "us (median)", cell: ({ micros }: Decision) => micros.toFixed(1) }],
      decisions.map((decision) => ({ ...decision, contender: decision.policy })),
    ),
  ].join("\n");
