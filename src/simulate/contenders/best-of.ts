import type { Candidate, Candidates } from "../../routing/policy.ts";
import type { Random } from "../random.ts";

/** The candidate of the highest score; among equals any, all equally likely. */
export const bestOf = (
  candidates: Candidates,
  scoreOf: (candidate: Candidate) => number,
  random: Random,
): Candidate => {
  let best: Candidate = candidates[0];
  let highest = -Infinity;
  let equals = 0;
  for (const candidate of candidates) {
    const score = scoreOf(candidate);
    if (score < highest) continue;
    equals = score > highest ? 1 : equals + 1;
    highest = score;
    if (random() * equals < 1) best = candidate;
  }
  return best;
};
