/** The mean time to the first token under a policy, as it was and as it was simulated. */
export interface Outcome {
  readonly policy: string;
  readonly real: number;
  readonly simulated: number;
}

/** Means that lie closer together than this share are no order. */
const TIE = 0.03;

/** Pairs of policies of which the simulation tells the wrong one to be better. */
const misjudged = (outcomes: readonly Outcome[]): readonly string[] =>
  outcomes.flatMap((one, index) =>
    outcomes.slice(index + 1).flatMap((other) => {
      const real = Math.log(one.real / other.real);
      const simulated = Math.log(one.simulated / other.simulated);
      const isOrder = Math.min(Math.abs(real), Math.abs(simulated)) > TIE;
      return isOrder && real * simulated < 0 ? [`${one.policy} and ${other.policy}`] : [];
    }),
  );

/** Which policy was better than which, and whether the simulation says so too. */
export const describeRanking = (outcomes: readonly Outcome[]): string => {
  const order = (of: (outcome: Outcome) => number): string =>
    outcomes
      .toSorted((left, right) => of(left) - of(right))
      .map(({ policy }) => policy)
      .join(" < ");
  const worst = Math.max(...outcomes.map(({ real, simulated }) => Math.abs(real / simulated - 1)));
  const wrong = misjudged(outcomes);
  return [
    `ranking by the mean time to the first token: real ${order(({ real }) => real)}`,
    `                                        simulated ${order(({ simulated }) => simulated)}`,
    `  the same ${wrong.length === 0 ? "order" : `order but for ${wrong.join(", ")}`}, means at most ${(100 * worst).toFixed(1)} % apart`,
  ].join("\n");
};
