import { hashOf } from "./tokens.ts";

/** A vector of length 1 that depends on the seed alone. */
export const unitVector = (seed: number, dimensions: number): readonly number[] => {
  const raw = Array.from({ length: dimensions }, (_, index) => hashOf([seed, index]) / 2 ** 51 - 1);
  const length = Math.hypot(...raw) || 1;
  return raw.map((value) => value / length);
};
