import type { Candidate, Candidates } from "./policy.ts";

/**
 * The first candidate that has not had a request yet, otherwise the one with the strictly lowest rate over the
 * statistics window; the first wins a tie. The fallback of every policy that has no key to go by.
 */
export const lowestQps = (candidates: Candidates): Candidate => {
  let best: Candidate = candidates[0];
  let lowest = Infinity;
  for (const candidate of candidates) {
    const { qps } = candidate.requests;
    if (qps === undefined) return candidate;
    if (qps < lowest) {
      lowest = qps;
      best = candidate;
    }
  }
  return best;
};
