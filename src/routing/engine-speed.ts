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
  /** So many tokens took so long, until this monotonic millisecond, beside so many answers that streamed. */
  readonly observe: (tokens: number, streams: number, ms: number, at: number) => void;
  /** It is that time now: what is known of the engine and was not seen again counts less. */
  readonly fade: (at: number) => void;
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
/** The second outlier on one side is none: the engine has changed. Beyond so many scatters even that is cut. */
const CHANGE = 10;
/** As if an engine had been observed for so long to be like the others. */
const LIKENESS_MS = 500;
/** How long it takes until two thirds of what is known of one engine are forgotten. */
const FADE_MS = 60_000;
/** What fades is reckoned anew after so long. */
const FADE_STEP_MS = 1000;
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
 * of each engine how many times as long it takes. An outlier counts for no more than the farthest that is none; when
 * the next observation is one to the same side, the engine has changed, and what was known of it counts no more. One
 * that is not observed is in time taken to be like the others, or nobody would ever learn that it is no longer slow.
 */
export const createSpeeds = (): Speeds => {
  const fleet = createModel();
  const open: Speeds["open"] = (pace) => {
    let took = LIKENESS_MS;
    let expected = LIKENESS_MS;
    let fadedAt = Number.NEGATIVE_INFINITY;
    /** Outliers that came one after the other, less than 0 where they were early. */
    let outliers = 0;

    const keep = (share: number): void => {
      took = LIKENESS_MS + share * (took - LIKENESS_MS);
      expected = LIKENESS_MS + share * (expected - LIKENESS_MS);
    };
    const forget = (at: number): void => {
      keep(Math.exp((fadedAt - at) / FADE_MS));
      fadedAt = at;
    };
    const show = (): void => {
      const difference = Math.log(took / expected);
      speed.factor = Math.exp(Math.sign(difference) * Math.max(0, Math.abs(difference) - INDIFFERENCE));
      pace?.showFactor(speed.factor);
    };

    const speed = {
      factor: 1,
      tokensMs: (tokens: number): number => speed.factor * fleet.tokensMs(tokens),
      fixedMs: (streams: number): number => speed.factor * fleet.fixedMs(streams),
      fade: (at: number): void => {
        // One that is like the others does not become less so.
        if (speed.factor === 1 || at - fadedAt < FADE_STEP_MS) return;
        forget(at);
        show();
      },
      observe: (tokens: number, streams: number, ms: number, at: number): void => {
        if (at - fadedAt >= FADE_STEP_MS) forget(at);
        const standard = fleet.tokensMs(tokens) + fleet.fixedMs(streams);
        const own = (standard * took) / expected;
        const scatter = NOISE_MS + NOISE_SHARE * own;
        const within = (scatters: number): number =>
          Math.max(own - scatters * scatter, Math.min(own + scatters * scatter, ms));
        const likely = within(OUTLIER);
        fleet.observe(tokens, streams, likely, scatter);
        const side = Math.sign(ms - likely);
        outliers = side * outliers > 0 ? outliers + side : side;
        const isChanged = Math.abs(outliers) > 1;
        keep(Math.abs(outliers) === 2 ? 0 : ENGINE_MEMORY);
        took += isChanged ? Math.max(0, within(CHANGE)) : likely;
        expected += standard;
        show();
      },
    };
    pace?.showFactor(speed.factor);
    return speed;
  };
  return { open, prices: fleet.prices };
};
