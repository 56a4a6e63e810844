/** How long an engine takes until an answer begins, learned from how long it took. */
export interface EngineSpeed {
  /** Milliseconds that it needs for each prompt token. */
  readonly msPerToken: () => number;
  /** Milliseconds beside its tokens, with so many answers that stream. */
  readonly fixedMs: (decoding: number) => number;
  /** So many tokens took so long, beside so many answers that streamed. */
  readonly observe: (tokens: number, decoding: number, ms: number) => void;
}

type Vector = [number, number, number];

/** Milliseconds of the fixed part, of a token, and of an answer that streams, and how far each may be off. */
const FIRST_GUESS: Readonly<Vector> = [15, 0.125, 0.5];
const DOUBT: Readonly<Vector> = [30, 0.15, 1];
const LEAST: Readonly<Vector> = [0, 0.001, 0];

/** What an observation weighs when the next one comes. */
const MEMORY = 0.98;
/** How far observations scatter: the fixed part, and a share of what was expected. */
const NOISE_MS = 20;
const NOISE_SHARE = 0.15;
/** Scatters beyond which an observation is an outlier and cut. */
const OUTLIER = 3;

/** Solves a system of three equations whose matrix is symmetric and positive definite. */
const solve = (
  [[a, b, c], [, d, e], [, , f]]: readonly [Vector, Vector, Vector],
  [x, y, z]: Vector,
): Vector => {
  const [ba, ca] = [b / a, c / a];
  const [d1, e1, f1] = [d - ba * b, e - ba * c, f - ca * c];
  const [y1, z1] = [y - ba * x, z - ca * x];
  const last = (z1 - (e1 / d1) * y1) / (f1 - (e1 / d1) * e1);
  const middle = (y1 - e1 * last) / d1;
  return [(x - b * middle - c * last) / a, middle, last];
};

/**
 * Least squares over the fixed part, tokens and streams. What was observed is forgotten as more is, down to the first
 * guess, which weighs as one observation; an outlier counts for no more than the farthest that is none.
 */
export const createEngineSpeed = (): EngineSpeed => {
  const precision = DOUBT.map((doubt) => 1 / doubt ** 2) as Vector;
  const products: [Vector, Vector, Vector] = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ];
  const sums: Vector = [0, 0, 0];
  let model: Readonly<Vector> = FIRST_GUESS;

  const learn = (): void => {
    const [p, q, r] = precision;
    const [[a, b, c], [, d, e], [, , f]] = products;
    const solved = solve(
      [
        [a + p, b, c],
        [b, d + q, e],
        [c, e, f + r],
      ],
      [sums[0] + p * FIRST_GUESS[0], sums[1] + q * FIRST_GUESS[1], sums[2] + r * FIRST_GUESS[2]],
    );
    model = solved.map((value, index) => Math.max(LEAST[index] ?? 0, value)) as Vector;
  };

  return {
    msPerToken: () => model[1],
    fixedMs: (decoding) => model[0] + model[2] * decoding,
    observe: (tokens, decoding, ms) => {
      const seen: Vector = [1, tokens, decoding];
      const expected = model[0] + model[1] * tokens + model[2] * decoding;
      const scatter = NOISE_MS + NOISE_SHARE * expected;
      const most = OUTLIER * scatter;
      const value = Math.max(expected - most, Math.min(expected + most, ms));
      const weight = 1 / scatter ** 2;
      for (const [row, line] of products.entries()) {
        for (let column = 0; column < 3; column += 1) {
          line[column] = MEMORY * (line[column] ?? 0) + weight * (seen[row] ?? 0) * (seen[column] ?? 0);
        }
        sums[row] = MEMORY * (sums[row] ?? 0) + weight * (seen[row] ?? 0) * value;
      }
      learn();
    },
  };
};
