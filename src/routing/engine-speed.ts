import type { EnginePace } from "./engine-paces.ts";

/** Milliseconds until an answer of the mean engine begins. */
export interface Prices {
  readonly fixed: number;
  readonly perToken: number;
  /** For each answer that streams. */
  readonly perStream: number;
}

/** What is known of the speeds of a fleet's engines. */
export interface Speeds {
  readonly open: (pace?: Pick<EnginePace, "showFactor">) => EngineSpeed;
  readonly prices: () => Prices;
}

/** How long an engine takes until an answer begins. */
export interface EngineSpeed {
  /** So many times as long as the mean engine. */
  readonly factor: number;
  /** Milliseconds that so many prompt tokens take. */
  readonly tokensMs: (tokens: number) => number;
  /** Milliseconds beside the tokens, with so many answers that stream. */
  readonly fixedMs: (streams: number) => number;
  /** So many tokens took so long, beside so many answers that streamed. */
  readonly observe: (tokens: number, streams: number, ms: number) => void;
}

type Vector = [number, number, number];

/** Milliseconds of the fixed part, of a token, and of an answer that streams, and how far each may be off. */
const FIRST_GUESS: Readonly<Vector> = [15, 0.125, 0.5];
const DOUBT: Readonly<Vector> = [30, 0.15, 1];
const LEAST: Readonly<Vector> = [0, 0.001, 0];

/** What an observation weighs when the next one comes, of the fleet and of one engine. */
const FLEET_MEMORY = 0.998;
const ENGINE_MEMORY = 0.97;
/** How far observations scatter: the fixed part, and a share of what was expected. */
const NOISE_MS = 20;
const NOISE_SHARE = 0.15;
/** Scatters beyond which an observation is an outlier and cut. */
const OUTLIER = 3;
/** As if an engine had been observed for so long to be like the others. */
const LIKENESS_MS = 500;
/** An engine that differs less from the others is taken for one of them: that is chance, and requests would herd. */
const INDIFFERENCE = 0.15;

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

/** Least squares over the fixed part, tokens and streams; it forgets, down to the first guess. */
const createModel = () => {
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
    prices: (): Prices => ({ fixed: model[0], perToken: model[1], perStream: model[2] }),
    tokensMs: (tokens: number): number => model[1] * tokens,
    fixedMs: (streams: number): number => model[0] + model[2] * streams,
    observe: (tokens: number, streams: number, ms: number, scatter: number): void => {
      const seen: Vector = [1, tokens, streams];
      const weight = 1 / scatter ** 2;
      for (const [row, line] of products.entries()) {
        for (let column = 0; column < 3; column += 1) {
          line[column] = FLEET_MEMORY * (line[column] ?? 0) + weight * (seen[row] ?? 0) * (seen[column] ?? 0);
        }
        sums[row] = FLEET_MEMORY * (sums[row] ?? 0) + weight * (seen[row] ?? 0) * ms;
      }
      learn();
    },
  };
};

/**
 * Speeds of the engines of a fleet, learned from how long they took: what work costs is learned from all of them, and
 * of each engine how many times as long it takes. An outlier counts for no more than the farthest that is none.
 */
export const createSpeeds = (): Speeds => {
  const fleet = createModel();
  const open: Speeds["open"] = (pace) => {
    let took = LIKENESS_MS;
    let expected = LIKENESS_MS;
    const speed = {
      factor: 1,
      tokensMs: (tokens: number): number => speed.factor * fleet.tokensMs(tokens),
      fixedMs: (streams: number): number => speed.factor * fleet.fixedMs(streams),
      observe: (tokens: number, streams: number, ms: number): void => {
        const standard = fleet.tokensMs(tokens) + fleet.fixedMs(streams);
        const own = (standard * took) / expected;
        const scatter = NOISE_MS + NOISE_SHARE * own;
        const value = Math.max(own - OUTLIER * scatter, Math.min(own + OUTLIER * scatter, ms));
        fleet.observe(tokens, streams, value, scatter);
        took = ENGINE_MEMORY * took + (1 - ENGINE_MEMORY) * LIKENESS_MS + value;
        expected = ENGINE_MEMORY * expected + (1 - ENGINE_MEMORY) * LIKENESS_MS + standard;
        const difference = Math.log(took / expected);
        speed.factor = Math.exp(Math.sign(difference) * Math.max(0, Math.abs(difference) - INDIFFERENCE));
        pace?.showFactor(speed.factor);
      },
    };
    pace?.showFactor(speed.factor);
    return speed;
  };
  return { open, prices: fleet.prices };
};
