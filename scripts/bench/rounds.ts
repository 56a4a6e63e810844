import { type Spread, spread } from "./statistics.ts";

/** Something that was measured of one contender in one round. */
interface Measured {
  readonly round: number;
  readonly contender: string;
}

/** The samples of one contender, over the rounds. */
export interface Rounds<Sample> {
  readonly samples: readonly Sample[];
  /** The spread of a value; a round that lacks it is left out. */
  readonly over: (value: (sample: Sample) => number | undefined) => Spread | undefined;
  /** The spread of a value combined with that of another contender in the same round. */
  readonly compare: (
    value: (sample: Sample) => number | undefined,
    other: string,
    combine: (own: number, reference: number) => number,
  ) => Spread | undefined;
}

const defined = <Value>(values: readonly (Value | undefined)[]): readonly Value[] =>
  values.filter((value) => value !== undefined);

/** Looks at the samples of a contender beside those of all. */
export const roundsOf = <Sample extends Measured>(
  contender: string,
  all: readonly Sample[],
): Rounds<Sample> => {
  const samples = all.filter((sample) => sample.contender === contender);
  return {
    samples,
    over: (value) => spread(defined(samples.map(value))),
    compare: (value, other, combine) =>
      spread(
        defined(
          samples.map((sample) => {
            const reference = all.find((one) => one.contender === other && one.round === sample.round);
            const [own, others] = [value(sample), reference && value(reference)];
            return own === undefined || others === undefined ? undefined : combine(own, others);
          }),
        ),
      ),
  };
};

/** Leaves out the keys whose value is undefined. */
export const present = <Fields extends Readonly<Record<string, unknown>>>(fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    readonly [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
