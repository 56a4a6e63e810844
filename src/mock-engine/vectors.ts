import { hashTokens } from "./tokens.ts";

/** A number that is the same for the same seed and tokens, and otherwise looks random; below 2 ** 52. */
export const noiseOf = (seed: number, ...parts: readonly (readonly number[])[]): number =>
  hashTokens([[seed], ...parts], 16, "").all;

/** A vector of length 1 that depends on the seed alone. */
export const unitVector = (seed: number, dimensions: number): readonly number[] => {
  const { blocks } = hashTokens(
    [Array.from({ length: dimensions }, (_, index) => seed + index)],
    1,
    "vector",
  );
  const raw = blocks.map((hash) => hash / 2 ** 51 - 1);
  const length = Math.hypot(...raw) || 1;
  return raw.map((value) => value / length);
};
